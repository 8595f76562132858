#include "auth/keys.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "auth/jws.hpp"
#include "unit/auth/token_maker.hpp"

namespace ringcast {
namespace {

constexpr std::string_view kSecret = "0123456789abcdef0123456789abcdef";

// A file of the test's own that is gone at its end.
class KeyFile {
 public:
  KeyFile(std::string_view name, std::string_view text)
      : path_(std::filesystem::path(::testing::TempDir()) / name) {
    std::ofstream(path_, std::ios::binary) << text;
  }
  ~KeyFile() { std::filesystem::remove(path_); }
  [[nodiscard]] std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

TEST(Keys, TakeSecretsOf32OctetsAndMore) {
  EXPECT_FALSE(Key::from_secret(""));
  EXPECT_FALSE(Key::from_secret(std::string(31, 's')));
  EXPECT_TRUE(Key::from_secret(std::string(32, 's')));
}

TEST(Keys, TakeRsaFrom2048To8192Bits) {
  struct Case {
    int bits;
    bool taken;
  };
  for (const auto& [bits, taken] :
       {Case{1'024, false}, {2'047, false}, {2'048, true}, {8'192, true}, {8'193, false}}) {
    const auto key = Key::from_pem(rsa_pem_of_bits(bits));
    EXPECT_EQ(key.ok(), taken) << bits;
    if (!key) {
      EXPECT_NE(key.error().detail.find(fmt::to_string(bits)), std::string::npos);
    }
  }
}

TEST(Keys, AreOfTheKindThatTheirPemHolds) {
  EXPECT_EQ(Key::from_pem(rsa_pem_of_bits(2'048))->kind(), Key::Kind::rsa);
  EXPECT_EQ(Key::from_pem(Signer::ec("P-256").public_pem())->kind(), Key::Kind::p256);
  EXPECT_EQ(Key::from_pem(Signer::ec("P-384").public_pem())->kind(), Key::Kind::p384);
  EXPECT_EQ(Key::from_pem(Signer::ec("P-521").public_pem())->kind(), Key::Kind::p521);
  EXPECT_EQ(Key::from_pem(Signer::ed25519().public_pem())->kind(), Key::Kind::ed25519);
}

// RFC 8725 section 3.1: the key says what it is for, so each algorithm fits one kind only.
TEST(Keys, FitTheAlgorithmsOfTheirKindAndNoOther) {
  struct Case {
    Key key;
    std::vector<std::string_view> algorithms;
  };
  const Case cases[] = {{Key::from_secret(kSecret).value(), {"HS256", "HS384", "HS512"}},
                        {Key::from_pem(rsa_pem_of_bits(2'048)).value(),
                         {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}},
                        {Key::from_pem(Signer::ec("P-256").public_pem()).value(), {"ES256"}},
                        {Key::from_pem(Signer::ec("P-384").public_pem()).value(), {"ES384"}},
                        {Key::from_pem(Signer::ec("P-521").public_pem()).value(), {"ES512"}},
                        {Key::from_pem(Signer::ed25519().public_pem()).value(), {"EdDSA"}}};
  for (const Case& fitting : cases)
    for (const std::string_view name : fitting.algorithms)
      for (const Case& asked : cases)
        EXPECT_EQ(asked.key.fits(*parse_algorithm(name)), &asked == &fitting) << name;
}

TEST(Keys, RefuseCurvesThatNoAlgorithmNames) {
  EXPECT_FALSE(Key::from_pem(Signer::ec("secp256k1").public_pem()));
  EXPECT_FALSE(Key::from_pem(Signer::ec("P-224").public_pem()));
}

TEST(Keys, RefuseAPrivateKeyAndSayWhy) {
  const auto key = Key::from_pem(Signer::ec("P-256").private_pem());
  ASSERT_FALSE(key);
  EXPECT_NE(key.error().detail.find("private key"), std::string::npos) << key.error().detail;
}

TEST(Keys, RefuseWhatIsNotOnePublicKey) {
  const std::string pem = Signer::ec("P-256").public_pem();
  std::string spoiled = pem;
  spoiled[40] = '!';
  const std::string bad[] = {"",
                             "not PEM",
                             "-----BEGIN PUBLIC KEY-----",
                             pem.substr(0, pem.size() / 2),
                             spoiled,
                             pem + pem,
                             "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
                             pem + std::string(Key::kPemBytesMax, '\n')};
  for (const std::string& text : bad) EXPECT_FALSE(Key::from_pem(text)) << text;
}

TEST(KeySet, ReadsAPublicKeyFromATextOrAFileWithOrWithoutItsId) {
  const std::string pem = Signer::ec("P-256").public_pem();
  const KeyFile file("ringcast_keys_test_good.pem", pem);
  KeySet keys;
  EXPECT_TRUE(keys.add_public_key(pem));
  EXPECT_TRUE(keys.add_public_key(file.path()));
  EXPECT_TRUE(keys.add_public_key("kid:a:" + pem));
  EXPECT_TRUE(keys.add_public_key("kid:b:" + file.path()));
  EXPECT_EQ(keys.size(), 4U);
  ASSERT_EQ(keys.candidates(Algorithm::es256, "a").size(), 1U);
  EXPECT_EQ(keys.candidates(Algorithm::es256, "a").front()->kid(), "a");
}

TEST(KeySet, RefusesEntriesThatLeadNowhere) {
  const KeyFile large("ringcast_keys_test_large.pem", std::string(100'000, '-'));
  KeySet keys;
  for (const std::string& entry :
       {std::string("/nowhere/key.pem"), std::string(""), std::string("kid:"), std::string("kid:a"),
        std::string("kid::/nowhere/key.pem"), std::string("kid:a:/nowhere/key.pem"), large.path(),
        std::string(::testing::TempDir())})
    EXPECT_FALSE(keys.add_public_key(entry)) << entry;
  EXPECT_TRUE(keys.empty());
}

TEST(KeySet, HoldsAtMostItsLimit) {
  KeySet keys;
  for (std::size_t i = 0; i < KeySet::kKeysMax; ++i)
    ASSERT_TRUE(keys.add(Key::from_secret(kSecret).value()));
  EXPECT_FALSE(keys.add(Key::from_secret(kSecret).value()));
  EXPECT_EQ(keys.size(), KeySet::kKeysMax);
}

// Keys are renewed by adding the new one under a new kid while tokens of the old one still live.
TEST(KeySet, ChoosesByKidAndFallsBackToKeysWithoutOne) {
  const Signer first = Signer::hmac("the first secret of 32 octets ...");
  const Signer second = Signer::hmac("the second secret of 32 octets ..");
  const Signer unnamed = Signer::hmac("a secret without an id, 32 octets");
  KeySet keys;
  ASSERT_TRUE(keys.add(Key::from_secret("the first secret of 32 octets ...", "1").value()));
  ASSERT_TRUE(keys.add(Key::from_secret("the second secret of 32 octets ..", "2").value()));
  ASSERT_TRUE(keys.add(Key::from_secret("a secret without an id, 32 octets").value()));
  const auto taken = [&](const Signer& signer, std::string_view header) {
    return verify_jws(signer.token("HS256", header, "{}"), keys).ok();
  };
  EXPECT_TRUE(taken(first, R"({"alg":"HS256","kid":"1"})"));
  EXPECT_TRUE(taken(second, R"({"alg":"HS256","kid":"2"})"));
  EXPECT_FALSE(taken(second, R"({"alg":"HS256","kid":"1"})"));
  EXPECT_FALSE(taken(unnamed, R"({"alg":"HS256","kid":"1"})"));
  EXPECT_TRUE(taken(unnamed, R"({"alg":"HS256","kid":"3"})"));
  EXPECT_FALSE(taken(first, R"({"alg":"HS256","kid":"3"})"));
  EXPECT_FALSE(taken(first, R"({"alg":"HS256","kid":""})"));
  EXPECT_TRUE(taken(first, R"({"alg":"HS256"})"));
  EXPECT_TRUE(taken(second, R"({"alg":"HS256"})"));
  EXPECT_TRUE(taken(unnamed, R"({"alg":"HS256"})"));
}

TEST(KeySet, TakesAKidOf128OctetsAndNoLongerOne) {
  KeySet keys;
  ASSERT_TRUE(keys.add(Key::from_secret(kSecret).value()));
  const Signer signer = Signer::hmac(kSecret);
  const auto taken = [&](std::size_t octets) {
    const std::string header =
        fmt::format(R"({{"alg":"HS256","kid":"{}"}})", std::string(octets, 'k'));
    return verify_jws(signer.token("HS256", header, "{}"), keys).ok();
  };
  EXPECT_TRUE(taken(128));
  EXPECT_FALSE(taken(129));
}

}  // namespace
}  // namespace ringcast
