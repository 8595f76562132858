#include "auth/jwt.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "auth/jws.hpp"
#include "unit/auth/token_maker.hpp"

namespace ringcast {
namespace {

constexpr std::string_view kSecret = "0123456789abcdef0123456789abcdef";
constexpr std::int64_t kNow = 1'700'000'000;

WallTime at(std::int64_t seconds) { return WallTime{std::chrono::seconds{seconds}}; }

JwtVerifier verifier(JwtRules rules = {}) {
  KeySet keys;
  EXPECT_TRUE(keys.add(Key::from_secret(kSecret).value()));
  return {std::move(keys), std::move(rules)};
}

std::string signed_token(std::string_view payload) {
  return Signer::hmac(kSecret).token("HS256", payload);
}

Result<Identity> verify(std::string_view payload, JwtRules rules = {}) {
  return verifier(std::move(rules)).verify(signed_token(payload), at(kNow));
}

TEST(Jwt, GivesTheIdentityOfTheToken) {
  const auto identity = verify(
      R"({"sub":"user-7","exp":1700000600,"nbf":1700000000,"iat":1700000000,"other":[1,{"a":2}],)"
      R"("rooms":{"subscribe":["project:7","tenant:42:*"],"publish":["chat:*"],"presence":[]}})");
  ASSERT_TRUE(identity) << identity.error().detail;
  EXPECT_EQ(identity->user, "user-7");
  EXPECT_EQ(identity->expires_at, at(1'700'000'630));
  EXPECT_TRUE(identity->grants.allows_subscribe("project:7"));
  EXPECT_TRUE(identity->grants.allows_subscribe("tenant:42:kitchen"));
  EXPECT_FALSE(identity->grants.allows_subscribe("tenant:42"));
  EXPECT_TRUE(identity->grants.allows_publish("chat:1"));
  EXPECT_FALSE(identity->grants.allows_publish("project:7"));
  EXPECT_FALSE(identity->grants.allows_presence("project:7"));
}

TEST(Jwt, WithoutRoomsGrantsNothingAndWithoutExpDoesNotEnd) {
  const auto identity = verify(R"({"sub":"u"})");
  ASSERT_TRUE(identity) << identity.error().detail;
  EXPECT_EQ(identity->grants.size(), 0U);
  EXPECT_FALSE(identity->expires_at);
}

TEST(Jwt, WithoutAKeyRefusesEveryToken) {
  const JwtVerifier nothing{KeySet{}, JwtRules{}};
  EXPECT_FALSE(nothing.has_keys());
  EXPECT_FALSE(nothing.verify(signed_token(R"({"sub":"u"})"), at(kNow)));
}

struct TimeCase {
  std::string_view claims;
  std::int64_t now_s;
  bool taken;
};
constexpr TimeCase kTimes[] = {
    {R"("exp":1700000000)", kNow - 1, true},
    {R"("exp":1700000000)", kNow, true},
    {R"("exp":1700000000)", kNow + 29, true},
    {R"("exp":1700000000)", kNow + 30, false},
    {R"("exp":1700000000.5)", kNow + 30, true},
    {R"("exp":1.7e9)", kNow + 29, true},
    {R"("nbf":1700000000)", kNow - 30, true},
    {R"("nbf":1700000000)", kNow - 31, false},
    {R"("iat":1700000000)", kNow - 30, true},
    {R"("iat":1700000000)", kNow - 31, false},
    {R"("iat":1700000000,"exp":1700000000)", kNow, true},
    {R"("iat":1700000001,"exp":1700000000)", kNow, false},
    {R"("exp":253402300799)", kNow, true},
    {R"("exp":253402300800)", kNow, false},
    {R"("exp":1e300)", kNow, false},
    {R"("exp":18446744073709551615)", kNow, false},
    {R"("exp":0)", kNow, false},
    {R"("exp":-1)", kNow, false},
    {R"("nbf":0)", kNow, true},
    {R"("nbf":-1)", kNow, false},
    {R"("exp":"1700000600")", kNow, false},
    {R"("exp":null)", kNow, false},
    {R"("nbf":true)", kNow, false},
    {R"("iat":{})", kNow, false},
};

TEST(Jwt, HoldsForItsTimeWithALeewayOnBothSides) {
  const JwtVerifier tokens = verifier();
  for (const auto& [claims, now_s, taken] : kTimes) {
    const auto identity =
        tokens.verify(signed_token(fmt::format(R"({{"sub":"u",{}}})", claims)), at(now_s));
    EXPECT_EQ(identity.ok(), taken) << claims << " " << now_s;
    if (identity && identity->expires_at) {
      EXPECT_GT(*identity->expires_at, at(now_s)) << claims;
    }
  }
}

TEST(Jwt, UsesTheConfiguredLeeway) {
  const JwtVerifier strict = verifier({"", "", std::chrono::seconds{0}});
  const std::string token = signed_token(R"({"sub":"u","exp":1700000000})");
  EXPECT_TRUE(strict.verify(token, at(kNow - 1)));
  EXPECT_FALSE(strict.verify(token, at(kNow)));
}

TEST(Jwt, MustNameTheConfiguredAudience) {
  const JwtRules rules{"ringcast", "", std::chrono::seconds{30}};
  EXPECT_TRUE(verify(R"({"sub":"u","aud":"ringcast"})", rules));
  EXPECT_TRUE(verify(R"({"sub":"u","aud":["other","ringcast"]})", rules));
  for (const std::string_view claims :
       {R"({"sub":"u"})", R"({"sub":"u","aud":"other"})", R"({"sub":"u","aud":"Ringcast"})",
        R"({"sub":"u","aud":"ringcast2"})", R"({"sub":"u","aud":[]})",
        R"({"sub":"u","aud":["other"]})", R"({"sub":"u","aud":["ringcast",1]})",
        R"({"sub":"u","aud":{"ringcast":1}})", R"({"sub":"u","aud":null})"})
    EXPECT_FALSE(verify(claims, rules)) << claims;
  EXPECT_TRUE(verify(R"({"sub":"u","aud":"other"})"));
}

TEST(Jwt, MustComeFromTheConfiguredIssuer) {
  const JwtRules rules{"", "https://id.example", std::chrono::seconds{30}};
  EXPECT_TRUE(verify(R"({"sub":"u","iss":"https://id.example"})", rules));
  for (const std::string_view claims :
       {R"({"sub":"u"})", R"({"sub":"u","iss":"https://id.example/"})", R"({"sub":"u","iss":7})",
        R"({"sub":"u","iss":["https://id.example"]})"})
    EXPECT_FALSE(verify(claims, rules)) << claims;
}

TEST(Jwt, NamesAUserInTheAlphabetOfParts) {
  EXPECT_TRUE(verify(R"({"sub":"A-z_0.9~"})"));
  EXPECT_TRUE(verify(fmt::format(R"({{"sub":"{}"}})", std::string(120, 'u'))));
  EXPECT_FALSE(verify(fmt::format(R"({{"sub":"{}"}})", std::string(121, 'u'))));
  for (const std::string_view claims :
       {R"({})", R"({"sub":""})", R"({"sub":7})", R"({"sub":null})", R"({"sub":"a:b"})",
        R"({"sub":"a b"})", R"({"sub":"*"})", R"({"sub":"a\u0000"})", R"({"sub":"a\n"})",
        R"({"sub":"caf\u00e9"})", R"({"sub":["u"]})"})
    EXPECT_FALSE(verify(claims)) << claims;
}

TEST(Jwt, IsRefusedWholeForOneIllegalGrant) {
  for (const std::string_view rooms :
       {R"({"subscribe":["project:7","tenant:4*"]})", R"({"subscribe":[""]})",
        R"({"subscribe":[7]})", R"({"subscribe":"project:7"})", R"({"subscribe":null})",
        R"({"subscribe":{"project:7":true}})", R"({"subscibe":["project:7"]})", R"({"":[]})",
        R"(["project:7"])", R"("*")", R"(null)", R"({"subscribe":["a"],"subscribe":["*"]})",
        R"({"publish":["a\u0000"]})", R"({"presence":["a:*:b"]})"})
    EXPECT_FALSE(verify(fmt::format(R"({{"sub":"u","rooms":{}}})", rooms))) << rooms;
}

TEST(Jwt, GrantsAtMostTheLimitOfPatterns) {
  const auto with_patterns = [](std::size_t count) {
    std::string list;
    for (std::size_t i = 0; i < count; ++i) list += fmt::format("{}\"r:{}\"", i == 0 ? "" : ",", i);
    return verify(fmt::format(R"({{"sub":"u","rooms":{{"subscribe":[{}]}}}})", list)).ok();
  };
  EXPECT_TRUE(with_patterns(Grants::kGrantsMax));
  EXPECT_FALSE(with_patterns(Grants::kGrantsMax + 1));
}

TEST(Jwt, RefusesPayloadsThatAreNoStrictObject) {
  for (const std::string_view payload :
       {"", "[]", "null", "\"u\"", "{", R"({"sub":"u"}})", R"({"sub":"u","sub":"v"})",
        R"({"sub":"u","s\u0075b":"v"})", R"({"sub":"u","a":1,"sub":"v"})",
        R"({"sub":"u","exp":1,"exp":9999999999})", R"({"sub":"u","x":[[{"k":1,"k":1}]]})",
        R"({"sub":"u",})", R"({'sub':'u'})", "{\"sub\":\"u\",\"x\":\"\xed\xa0\x80\"}",
        R"({"sub":"u","x":tru})", R"({"sub":"u","x":1e999})"})
    EXPECT_FALSE(verify(payload)) << payload;
}

TEST(Jwt, TellsTheLogWhyAndTheClientOnlyThat) {
  const auto expired = verify(R"({"sub":"u","exp":1699999000})");
  ASSERT_FALSE(expired);
  EXPECT_EQ(expired.error().code, Errc::unauthorized);
  EXPECT_EQ(expired.error().detail, "token expired: exp was 1000 s ago, leeway is 30 s");
  EXPECT_EQ(terse_token_text(expired.error()), "token expired");
  EXPECT_EQ(token_close_reason(expired.error()), CloseReason::token_expired);

  const auto refused = verify(R"({"sub":"u","rooms":{"subscribe":["tenant:4*"]}})");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::unauthorized);
  EXPECT_EQ(refused.error().detail,
            "token refused: rooms.subscribe: '*' stands only alone or as the whole last part "
            "(room:*)");
  EXPECT_EQ(terse_token_text(refused.error()), "token refused");
  EXPECT_EQ(token_close_reason(refused.error()), CloseReason::token_refused);
}

// A forged token must not learn from the answer that its claims would have been good.
TEST(Jwt, ChecksTheSignatureBeforeAnyClaim) {
  const std::string forged =
      Signer::hmac("another secret of thirty-two octets").token("HS256", R"({"sub":"u","exp":1})");
  const auto identity = verifier().verify(forged, at(kNow));
  ASSERT_FALSE(identity);
  EXPECT_EQ(terse_token_text(identity.error()), "token refused");
}

TEST(Jwt, AnswersRandomTextWithAnErrorAndNothingElse) {
  const JwtVerifier tokens = verifier();
  std::uint64_t state = 42;
  const auto next = [&state] { return (state = state * 6'364'136'223'846'793'005U + 1) >> 33; };
  const std::string good = signed_token(R"({"sub":"u","rooms":{"subscribe":["a:*"]}})");
  for (int i = 0; i < 2'000; ++i) {
    std::string text = good;
    for (int changes = 0; changes < 3; ++changes)
      text[next() % text.size()] = static_cast<char>(next() % 256);
    if (text == good) continue;
    EXPECT_FALSE(tokens.verify(text, at(kNow)));
  }
}

}  // namespace
}  // namespace ringcast
