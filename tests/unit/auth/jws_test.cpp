#include "auth/jws.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "auth/base64url.hpp"
#include "unit/auth/rfc_vectors.hpp"
#include "unit/auth/token_maker.hpp"

namespace ringcast {
namespace {

constexpr std::string_view kSecret = "0123456789abcdef0123456789abcdef";

KeySet secret_only() {
  KeySet keys;
  EXPECT_TRUE(keys.add(Key::from_secret(kSecret).value()));
  return keys;
}

KeySet pem_only(std::string_view pem, std::string_view kid = {}) {
  KeySet keys;
  EXPECT_TRUE(keys.add(Key::from_pem(pem, kid).value()));
  return keys;
}

TEST(Jws, TakesTheVectorsOfRfc7515) {
  KeySet keys;
  ASSERT_TRUE(keys.add(Key::from_secret(*decode_base64url(vectors::kRfc7515Secret)).value()));
  ASSERT_TRUE(keys.add(Key::from_pem(rsa_pem(vectors::kRfc7515RsaN, "AQAB")).value()));
  ASSERT_TRUE(
      keys.add(Key::from_pem(ec_pem("P-256", vectors::kRfc7515EcX, vectors::kRfc7515EcY)).value()));
  for (const auto token :
       {vectors::kRfc7515Hs256, vectors::kRfc7515Rs256, vectors::kRfc7515Es256}) {
    const auto payload = verify_jws(token, keys);
    ASSERT_TRUE(payload) << payload.error().detail;
    EXPECT_EQ(*payload, vectors::kRfc7515Payload);
  }
}

TEST(Jws, TakesTheVectorsOfRfc7520ByTheirKid) {
  KeySet keys;
  const std::string secret = *decode_base64url(vectors::kRfc7520Secret);
  ASSERT_TRUE(keys.add(Key::from_secret(secret, vectors::kRfc7520SecretKid).value()));
  ASSERT_TRUE(keys.add(
      Key::from_pem(rsa_pem(vectors::kRfc7520RsaN, "AQAB"), vectors::kRfc7520Kid).value()));
  ASSERT_TRUE(keys.add(Key::from_pem(ec_pem("P-521", vectors::kRfc7520EcX, vectors::kRfc7520EcY),
                                     vectors::kRfc7520Kid)
                           .value()));
  for (const auto token : {vectors::kRfc7520Rs256, vectors::kRfc7520Ps384, vectors::kRfc7520Es512,
                           vectors::kRfc7520Hs256}) {
    const auto payload = verify_jws(token, keys);
    ASSERT_TRUE(payload) << payload.error().detail;
    EXPECT_TRUE(payload->starts_with("It\xe2\x80\x99s a dangerous business, Frodo"));
  }
}

TEST(Jws, TakesTheVectorOfRfc8037) {
  const auto payload =
      verify_jws(vectors::kRfc8037EdDsa, pem_only(ed25519_pem(vectors::kRfc8037X)));
  ASSERT_TRUE(payload) << payload.error().detail;
  EXPECT_EQ(*payload, "Example of Ed25519 signing");
}

struct Pair {
  Signer signer;
  std::vector<std::string_view> algorithms;
};

std::vector<Pair> pairs() {
  return {{Signer::hmac(kSecret), {"HS256", "HS384", "HS512"}},
          {Signer::rsa(2'048), {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}},
          {Signer::ec("P-256"), {"ES256"}},
          {Signer::ec("P-384"), {"ES384"}},
          {Signer::ec("P-521"), {"ES512"}},
          {Signer::ed25519(), {"EdDSA"}}};
}

KeySet key_of(const Pair& pair) {
  return pair.algorithms.front() == "HS256" ? secret_only() : pem_only(pair.signer.public_pem());
}

TEST(Jws, VerifiesEveryAlgorithmWithItsKindOfKeyAndNoOther) {
  const auto all = pairs();
  for (const Pair& signing : all)
    for (const std::string_view algorithm : signing.algorithms) {
      const std::string token = signing.signer.token(algorithm, R"({"sub":"u"})");
      for (const Pair& verifying : all)
        EXPECT_EQ(verify_jws(token, key_of(verifying)).ok(), &signing == &verifying) << algorithm;
    }
}

TEST(Jws, RefusesTheSignatureOfAnotherKeyOfTheSameKind) {
  auto first = pairs();
  const auto second = pairs();
  first[0] = {Signer::hmac("another secret of thirty-two octets"), first[0].algorithms};
  for (std::size_t i = 0; i < first.size(); ++i)
    for (const std::string_view algorithm : first[i].algorithms)
      EXPECT_FALSE(verify_jws(first[i].signer.token(algorithm, "{}"), key_of(second[i])))
          << algorithm;
}

TEST(Jws, RefusesAChangeOfAnyOneCharacter) {
  for (const Pair& pair : pairs()) {
    const KeySet keys = key_of(pair);
    const std::string token = pair.signer.token(pair.algorithms.front(), R"({"sub":"user-1"})");
    ASSERT_TRUE(verify_jws(token, keys));
    for (std::size_t i = 0; i < token.size(); i += 3) {
      std::string changed = token;
      changed[i] = changed[i] == 'A' ? 'B' : 'A';
      EXPECT_FALSE(verify_jws(changed, keys)) << i;
    }
  }
}

TEST(Jws, RefusesATokenCutAnywhere) {
  const std::string token = Signer::hmac(kSecret).token("HS256", R"({"sub":"u"})");
  const KeySet keys = secret_only();
  for (std::size_t length = 0; length < token.size(); ++length)
    EXPECT_FALSE(verify_jws(std::string_view(token).substr(0, length), keys)) << length;
}

TEST(Jws, RefusesASignatureMadeByAnotherAlgorithmThanTheHeaderNames) {
  const Signer rsa = Signer::rsa(2'048);
  const KeySet keys = pem_only(rsa.public_pem());
  for (const std::string_view made : {"RS256", "RS384", "PS256"})
    for (const std::string_view named : {"RS256", "RS384", "PS256", "HS256", "ES256", "EdDSA"}) {
      const std::string header = fmt::format(R"({{"alg":"{}"}})", named);
      EXPECT_EQ(verify_jws(rsa.token(made, header, "{}"), keys).ok(), made == named)
          << made << " as " << named;
    }
}

// The classic confusion (RFC 8725 section 2.1): a public key is known to all, so it must never be
// taken for the secret of an HMAC.
TEST(Jws, NeverUsesAPublicKeyAsASecret) {
  const Signer rsa = Signer::rsa(2'048);
  const KeySet keys = pem_only(rsa.public_pem());
  EXPECT_FALSE(verify_jws(Signer::hmac(rsa.public_pem()).token("HS256", "{}"), keys));
}

TEST(Jws, RefusesATokenWithoutASignatureWhateverTheCaseOfNone) {
  const KeySet keys = secret_only();
  for (const std::string_view name : {"none", "None", "NONE", "nOnE", "", "hs256", "HS256 ", "HS1",
                                      "ES256K", "Ed25519", "HS257", "dir", "A128KW"}) {
    const std::string header = encode_base64url(fmt::format(R"({{"alg":"{}"}})", name));
    EXPECT_FALSE(verify_jws(header + ".e30.", keys)) << name;
    EXPECT_FALSE(verify_jws(header + ".e30", keys)) << name;
    EXPECT_FALSE(verify_jws(header + ".e30.AAAA", keys)) << name;
  }
}

TEST(Jws, RefusesHeadersThatTwoReadersCouldReadDifferently) {
  const Signer signer = Signer::hmac(kSecret);
  const KeySet keys = secret_only();
  ASSERT_TRUE(
      verify_jws(signer.token("HS256", R"({"alg":"HS256","typ":"JWT","x":{"a":1}})", "{}"), keys));
  for (const std::string_view header : {R"({"alg":"none","alg":"HS256"})",
                                        R"({"alg":"HS256","alg":"HS256"})",
                                        R"({"alg":"HS256","\u0061lg":"HS256"})",
                                        R"({"alg":"HS256","x":{"a":1,"a":2}})",
                                        R"({"alg":"HS256","x":[{"a":1,"a":2}]})",
                                        R"({"alg":"HS256","crit":["b64"],"b64":true})",
                                        R"({"alg":"HS256","crit":["exp"]})",
                                        R"({"alg":"HS256","crit":[]})",
                                        R"({"alg":"HS256","crit":null})",
                                        R"({"alg":["HS256"]})",
                                        R"({"alg":256})",
                                        R"({})",
                                        R"([{"alg":"HS256"}])",
                                        R"("HS256")",
                                        "null",
                                        "",
                                        R"({"alg":"HS256"} x)",
                                        R"({"alg":"HS256",})",
                                        "{\"alg\":\"HS256\",\"x\":\"\xff\"}",
                                        R"({"alg":"HS256","kid":1})"})
    EXPECT_FALSE(verify_jws(signer.token("HS256", header, "{}"), keys)) << header;
}

TEST(Jws, LooksAtNoKeyThatTheTokenBrings) {
  const Signer own = Signer::hmac(kSecret);
  const Signer foreign = Signer::hmac("a secret that the attacker has chosen");
  const std::string_view header =
      R"({"alg":"HS256","jwk":{"kty":"oct",)"
      R"("k":"YSBzZWNyZXQgdGhhdCB0aGUgYXR0YWNrZXIgaGFzIGNob3Nlbg"},)"
      R"("jku":"http://127.0.0.1:1/keys","x5u":"http://127.0.0.1:1/x"})";
  EXPECT_TRUE(verify_jws(own.token("HS256", header, "{}"), secret_only()));
  EXPECT_FALSE(verify_jws(foreign.token("HS256", header, "{}"), secret_only()));
}

TEST(Jws, TakesHeadersNestedSixteenDeepAtMost) {
  const Signer signer = Signer::hmac(kSecret);
  // One level is the header itself.
  const auto nested = [&](std::size_t levels, std::string_view innermost) {
    const std::string header =
        fmt::format(R"({{"alg":"HS256","x":{}{}{}}})", std::string(levels - 1, '['), innermost,
                    std::string(levels - 1, ']'));
    return verify_jws(signer.token("HS256", header, "{}"), secret_only()).ok();
  };
  for (const std::string_view innermost : {"", "1"}) {
    EXPECT_TRUE(nested(16, innermost));
    EXPECT_FALSE(nested(17, innermost));
  }
  EXPECT_TRUE(nested(15, R"({"a":1})"));
  EXPECT_FALSE(nested(16, R"({"a":1})"));
  EXPECT_FALSE(nested(2'000, ""));
}

TEST(Jws, TakesATokenOfEightKibibytesAndNoLongerOne) {
  const Signer signer = Signer::hmac(kSecret);
  const KeySet keys = secret_only();
  std::size_t accepted_bytes_max = 0;
  for (std::size_t payload = 6'050; payload < 6'110; ++payload) {
    const std::string token = signer.token("HS256", std::string(payload, ' '));
    EXPECT_EQ(verify_jws(token, keys).ok(), token.size() <= kTokenBytesMax) << token.size();
    if (token.size() <= kTokenBytesMax) accepted_bytes_max = token.size();
  }
  EXPECT_GE(accepted_bytes_max, kTokenBytesMax - 1);
}

TEST(Jws, RefusesEcdsaSignaturesThatAreNotTwoNumbersOfTheCurve) {
  const Signer signer = Signer::ec("P-256");
  const KeySet keys = pem_only(signer.public_pem());
  const std::string token = signer.token("ES256", "{}");
  const std::string text = token.substr(0, token.rfind('.') + 1);
  const std::string good = *decode_base64url(std::string_view(token).substr(text.size()));
  ASSERT_EQ(good.size(), 64U);
  const std::string zero(32, '\0');
  const std::string order =
      *decode_base64url("_____wAAAAD__________7zm-q2nF56E87nKwvxjJVE");  // of P-256
  const std::string bad[] = {zero + zero,
                             good.substr(0, 32) + zero,
                             zero + good.substr(32),
                             order + order,
                             good.substr(0, 32) + order,
                             good.substr(0, 63),
                             good + '\0',
                             "",
                             std::string(64, '\xff')};
  for (const std::string& signature : bad)
    EXPECT_FALSE(verify_jws(text + encode_base64url(signature), keys));
}

TEST(Jws, RefusesTheDerFormOfAnEcdsaSignature) {
  const Signer signer = Signer::ec("P-256");
  const std::string token = signer.token("ES256", "{}");
  const std::string text = token.substr(0, token.rfind('.') + 1);
  const std::string der = "\x30\x06\x02\x01\x01\x02\x01\x01";
  EXPECT_FALSE(verify_jws(text + encode_base64url(der), pem_only(signer.public_pem())));
}

TEST(Jws, SaysWhichRuleWasBroken) {
  const KeySet keys = secret_only();
  const auto why = [&](std::string_view token) { return verify_jws(token, keys).error().detail; };
  EXPECT_EQ(why("a.b"), "the token does not have three parts");
  EXPECT_EQ(why("a.b.c.d.e"), "the token does not have three parts");
  EXPECT_EQ(why("=.e30.AA"), "the token's header is not base64url");
  EXPECT_EQ(why("e30.=.AA"), "the token's payload is not base64url");
  EXPECT_EQ(why("e30.e30.="), "the token's signature is not base64url");
  EXPECT_EQ(why("e30.e30.AA"), "the token's header has no alg");
  EXPECT_EQ(why(vectors::kRfc7515Rs256), "no configured key fits the token's alg");
  EXPECT_EQ(why(vectors::kRfc7515Hs256), "the token's signature is not that of a configured key");
  EXPECT_EQ(verify_jws("a.b", keys).error().code, Errc::unauthorized);
}

}  // namespace
}  // namespace ringcast
