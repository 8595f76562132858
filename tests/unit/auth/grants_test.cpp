#include "auth/grants.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace ringcast {
namespace {

struct Case {
  std::string_view pattern;
  std::string_view room;
  bool included;
};

constexpr Case kCases[] = {
    {"*", "a", true},
    {"*", "tenant:42:kitchen", true},
    {"project:7", "project:7", true},
    {"project:7", "project:70", false},
    {"project:7", "project:7:x", false},
    {"project:7", "project", false},
    {"tenant:42:*", "tenant:42:kitchen", true},
    {"tenant:42:*", "tenant:42:kitchen:sub", true},
    {"tenant:42:*", "tenant:42", false},
    {"tenant:42:*", "tenant:42:", false},  // no legal room, and nothing behind the colon
    {"tenant:42:*", "tenant:420:kitchen", false},
    {"tenant:42:*", "tenant:4", false},
    {"tenant:42:*", "TENANT:42:kitchen", false},
    {"chat:*", "chat:1", true},
    {"chat:*", "chats:1", false},
};

TEST(Grants, IncludeARoomByWholePartsOnly) {
  for (const auto& [pattern, room, included] : kCases) {
    ASSERT_TRUE(check_pattern(pattern, "p")) << pattern;
    EXPECT_EQ(pattern_includes(pattern, room), included) << pattern << " " << room;
  }
}

TEST(Grants, RefuseAStarThatIsNotAWholeLastPart) {
  for (const std::string_view pattern :
       {"", "tenant:4*", "**", "a*", "*a", "*:a", "a:*:b", "a:**", "a:*:*", ":*", "a::*", ":a",
        "a:", ":a:*", "a\n:*", "a\x7f", "\xff:*", "tenant:*x"})
    EXPECT_FALSE(check_pattern(pattern, "p")) << pattern;
}

TEST(Grants, NameTheFieldOfAnIllegalPattern) {
  Grants grants;
  const auto added = grants.add(Verb::publish, "tenant:4*");
  ASSERT_FALSE(added);
  EXPECT_EQ(added.error().code, Errc::validation);
  EXPECT_TRUE(added.error().detail.starts_with("publish: ")) << added.error().detail;
}

TEST(Grants, TakePatternsAsLongAsARoomAndNoLonger) {
  EXPECT_TRUE(check_pattern(std::string(255, 'a'), "p"));
  EXPECT_FALSE(check_pattern(std::string(256, 'a'), "p"));
  EXPECT_TRUE(check_pattern(std::string(253, 'a') + ":*", "p"));
  EXPECT_FALSE(check_pattern(std::string(254, 'a') + ":*", "p"));
}

TEST(Grants, HoldAtMostTheirLimitOverAllVerbsTogether) {
  Grants grants;
  constexpr Verb kTurns[] = {Verb::subscribe, Verb::publish, Verb::presence};
  for (std::size_t i = 0; i < Grants::kGrantsMax; ++i)
    ASSERT_TRUE(grants.add(kTurns[i % 3], fmt::format("room:{}", i))) << i;
  EXPECT_EQ(grants.size(), Grants::kGrantsMax);
  EXPECT_FALSE(grants.add(Verb::subscribe, "one:more"));
  EXPECT_EQ(grants.size(), Grants::kGrantsMax);
  EXPECT_FALSE(grants.allows_subscribe("one:more"));
  EXPECT_TRUE(grants.allows_subscribe("room:255"));
}

TEST(Grants, GrantNothingOfOneVerbByAnother) {
  constexpr Verb kAll[] = {Verb::subscribe, Verb::publish, Verb::presence};
  for (const Verb given : kAll) {
    Grants grants;
    ASSERT_TRUE(grants.add(given, "*"));
    for (const Verb asked : kAll) EXPECT_EQ(grants.allows(asked, "room"), given == asked);
  }
}

TEST(Grants, AreNothingUnlessGiven) {
  EXPECT_FALSE(Grants{}.allows_subscribe("room"));
  EXPECT_FALSE(Grants{}.allows_publish("room"));
  EXPECT_FALSE(Grants{}.allows_presence("room"));
}

TEST(Grants, OfDevelopmentAreAllAndOfAnonymousClientsOnlyToSubscribe) {
  const Grants all = Grants::all();
  EXPECT_TRUE(all.allows_subscribe("a") && all.allows_publish("a") && all.allows_presence("a"));
  const Grants anonymous = Grants::anonymous();
  EXPECT_TRUE(anonymous.allows_subscribe("a"));
  EXPECT_FALSE(anonymous.allows_publish("a"));
  EXPECT_FALSE(anonymous.allows_presence("a"));
}

}  // namespace
}  // namespace ringcast
