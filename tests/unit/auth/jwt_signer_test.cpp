#include "auth/jwt_signer.hpp"

#include <gtest/gtest.h>

#include <fmt/format.h>

#include "auth/jwt.hpp"

namespace ringcast {
namespace {

constexpr std::string_view kSecret = "0123456789abcdef0123456789abcdef";
constexpr WallTime kNow{std::chrono::seconds{1'700'000'000}};

TokenClaims claims() {
  TokenClaims made;
  made.user = "alice";
  made.issued_at = kNow;
  made.expires_at = kNow + std::chrono::seconds(60);
  EXPECT_TRUE(made.grants.add(Verb::subscribe, "tenant:42:*").ok());
  EXPECT_TRUE(made.grants.add(Verb::subscribe, "q\"uote").ok());
  EXPECT_TRUE(made.grants.add(Verb::presence, "chat:1").ok());
  return made;
}

JwtVerifier verifier(std::string_view secret, JwtRules rules = {}) {
  KeySet keys;
  EXPECT_TRUE(keys.add(std::move(*Key::from_secret(secret))).ok());
  return {std::move(keys), std::move(rules)};
}

TEST(JwtSigner, MakesWhatTheVerifierTakes) {
  const auto token = sign_token(kSecret, claims());
  ASSERT_TRUE(token.ok()) << token.error().detail;
  const auto identity = verifier(kSecret).verify(*token, kNow);
  ASSERT_TRUE(identity.ok()) << identity.error().detail;
  EXPECT_EQ(identity->user, "alice");
  EXPECT_TRUE(identity->grants.allows_subscribe("tenant:42:orders"));
  EXPECT_TRUE(identity->grants.allows_subscribe("q\"uote"));
  EXPECT_TRUE(identity->grants.allows_presence("chat:1"));
  EXPECT_FALSE(identity->grants.allows_publish("chat:1"));
  EXPECT_EQ(identity->grants.size(), 3U);
}

TEST(JwtSigner, TokenEndsWhenItSays) {
  const auto token = sign_token(kSecret, claims());
  ASSERT_TRUE(token.ok());
  const JwtVerifier strict = verifier(kSecret, {"", "", std::chrono::seconds(0)});
  EXPECT_TRUE(strict.verify(*token, kNow + std::chrono::seconds(59)).ok());
  EXPECT_FALSE(strict.verify(*token, kNow + std::chrono::seconds(60)).ok());
}

TEST(JwtSigner, AudienceAndIssuerAreWhatTheRulesAskFor) {
  TokenClaims made = claims();
  made.audience = "ringcast";
  made.issuer = "https://id.example";
  const auto token = sign_token(kSecret, made);
  ASSERT_TRUE(token.ok());
  EXPECT_TRUE(verifier(kSecret, {"ringcast", "https://id.example"}).verify(*token, kNow).ok());
  EXPECT_FALSE(verifier(kSecret, {"other", ""}).verify(*token, kNow).ok());
}

TEST(JwtSigner, OtherSecretIsRefused) {
  const auto token = sign_token(kSecret, claims());
  ASSERT_TRUE(token.ok());
  EXPECT_FALSE(verifier("0123456789abcdef0123456789abcdeX").verify(*token, kNow).ok());
}

TEST(JwtSigner, SecretHasAtLeast32OctetsAndIsNotInTheError) {
  EXPECT_TRUE(sign_token(std::string(32, 's'), claims()).ok());
  const auto refused = sign_token(std::string(31, 's'), claims());
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().detail.find(std::string(31, 's')), std::string::npos);
}

TEST(JwtSigner, UserIsAPartOfAName) {
  for (const std::string& user : {std::string(), std::string("a:b"), std::string(121, 'u')}) {
    TokenClaims made = claims();
    made.user = user;
    EXPECT_FALSE(sign_token(kSecret, made).ok()) << user;
  }
  TokenClaims made = claims();
  made.user = std::string(120, 'u');
  EXPECT_TRUE(sign_token(kSecret, made).ok());
}

TEST(JwtSigner, RefusesATokenThatNobodyWouldTake) {
  TokenClaims made = claims();
  for (int i = 0; i < 100; ++i)
    ASSERT_TRUE(made.grants.add(Verb::publish, fmt::format("room:{:0>100}", i)).ok());
  const auto refused = sign_token(kSecret, made);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Errc::payload_too_large);
}

TEST(JwtSigner, RefusesWhatIsNoUtf8) {
  TokenClaims made = claims();
  made.issuer = "\xff";
  EXPECT_FALSE(sign_token(kSecret, made).ok());
}

}  // namespace
}  // namespace ringcast
