#include "message/names.hpp"

#include <gtest/gtest.h>

namespace ringcast {
namespace {

TEST(Names, TakeRoomsOfOneTo255Octets) {
  EXPECT_FALSE(check_room(""));
  EXPECT_TRUE(check_room("a"));
  EXPECT_TRUE(check_room(std::string(255, 'a')));
  EXPECT_FALSE(check_room(std::string(256, 'a')));
  std::string euros;  // three octets each
  for (int i = 0; i < 85; ++i) euros += "\xe2\x82\xac";
  EXPECT_TRUE(check_room(euros));
  EXPECT_FALSE(check_room(euros + "a"));
}

TEST(Names, TakeRoomsOfUtf8WithoutControls) {
  for (const std::string_view room :
       {"tenant:42", "tenant:42:kitchen", "a b", "a::b", "caf\xc3\xa9", "\xf0\x9f\x98\x80", "a\"b",
        "\xc2\xa0", "a/b?c#d", "."})
    EXPECT_TRUE(check_room(room)) << room;
  for (const std::string_view room :
       {":", ":a", "a:", "*", "a*", "a:*", "a\n", "\ra", "a\tb", "\x1b", "\x7f", "\xc2\x80",
        "a\xc2\x9f", "\xff", "\xc3", "\xc0\x80", "\xed\xa0\x80", "\xf5\x80\x80\x80"})
    EXPECT_FALSE(check_room(room)) << room;
  EXPECT_FALSE(check_room(std::string_view("a\0b", 3)));
}

TEST(Names, NameTheFieldThatIsWrong) {
  EXPECT_TRUE(check_room("", "rooms[3]").error().detail.starts_with("rooms[3]: "));
  EXPECT_EQ(check_room("").error().code, Errc::validation);
  EXPECT_TRUE(check_part("a:b", "tenantId").error().detail.starts_with("tenantId: "));
  EXPECT_TRUE(check_event_type("ping", "event").error().detail.starts_with("event: "));
}

TEST(Names, TakePartsOfTheirAlphabetOnly) {
  EXPECT_FALSE(check_part("", "p"));
  EXPECT_TRUE(check_part(std::string(120, 'a'), "p"));
  EXPECT_FALSE(check_part(std::string(121, 'a'), "p"));
  for (int c = 0; c < 256; ++c) {
    const bool legal = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                       c == '_' || c == '.' || c == '~' || c == '-';
    EXPECT_EQ(check_part(std::string(1, static_cast<char>(c)), "p").ok(), legal) << c;
    EXPECT_EQ(check_part("a" + std::string(1, static_cast<char>(c)), "p").ok(), legal) << c;
  }
}

TEST(Names, TakeCodesOfAnApplicationsOwnThatAreNotTheEngines) {
  EXPECT_FALSE(check_own_code(""));
  EXPECT_TRUE(check_own_code("A"));
  EXPECT_TRUE(check_own_code(std::string(64, 'A')));
  EXPECT_FALSE(check_own_code(std::string(65, 'A')));
  for (int c = 0; c < 256; ++c) {
    const bool letter = c >= 'A' && c <= 'Z';
    const std::string one(1, static_cast<char>(c));
    EXPECT_EQ(check_own_code(one).ok(), letter) << c;
    EXPECT_EQ(check_own_code("A" + one).ok(), letter || (c >= '0' && c <= '9') || c == '_') << c;
  }
  for (std::size_t i = 0; i < kErrcs; ++i)
    EXPECT_FALSE(check_own_code(error_code(static_cast<Errc>(i)).code)) << i;
}

TEST(Names, TakeEventTypesOfOneTo128Octets) {
  EXPECT_FALSE(check_event_type(""));
  EXPECT_TRUE(check_event_type("a"));
  EXPECT_TRUE(check_event_type(std::string(128, 'a')));
  EXPECT_FALSE(check_event_type(std::string(129, 'a')));
  for (const std::string_view type : {"order.created", "a b", "caf\xc3\xa9", "a:b", "*"})
    EXPECT_TRUE(check_event_type(type)) << type;
  for (const std::string_view type : {"a\n", "\x7f", "\xc2\x85", "\xff"})
    EXPECT_FALSE(check_event_type(type)) << type;
}

TEST(Names, KeepTheEnginesOwnTypesForTheEngine) {
  for (const std::string_view type :
       {"connected", "subscribed", "unsubscribed", "published", "error", "ping", "pong", "gap",
        "position", "ack", "call", "auth", "presence:join", "presence:", "ringcast:x",
        "ringcast:"}) {
    EXPECT_TRUE(is_reserved_event_type(type)) << type;
    EXPECT_FALSE(check_event_type(type)) << type;
  }
  for (const std::string_view type :
       {"Ping", "pings", "ping.x", "presence", "presence.join", "ringcast", "error:x", "event"}) {
    EXPECT_FALSE(is_reserved_event_type(type)) << type;
    EXPECT_TRUE(check_event_type(type)) << type;
  }
}

TEST(Names, SplitAtTheFirstColonAndTheFirstDot) {
  EXPECT_EQ(namespace_of("tenant:42:kitchen"), "tenant");
  EXPECT_EQ(namespace_of("lobby"), "lobby");
  EXPECT_EQ(namespace_of("a::b"), "a");
  EXPECT_EQ(module_of("order.created.v2"), "order");
  EXPECT_EQ(module_of("order"), "order");
}

TEST(Names, MakeRoomsThatCanNotBeTakenForAnothers) {
  std::string rooms;
  append_room(rooms, "42");
  append_room(rooms += ' ', "42", "kitchen");
  EXPECT_EQ(rooms, "tenant:42 tenant:42:kitchen");
  for (const std::string_view bad : {"", "42:kitchen", "*", "4 2", "a\n", "caf\xc3\xa9"})
    EXPECT_FALSE(check_part(bad, "part")) << bad;
}

TEST(Names, MakeRoomsOfTheLongestPartsThatFit) {
  const std::string longest(kPartBytesMax, 'a');
  ASSERT_TRUE(check_part(longest, "part"));
  std::string room;
  append_room(room, longest, longest);
  EXPECT_TRUE(check_room(room));
  const auto parsed = parse_room(room);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->tenant, longest);
  EXPECT_EQ(parsed->module, longest);
}

TEST(Names, ReadTenantAndModuleBack) {
  EXPECT_EQ(parse_room("tenant:42")->tenant, "42");
  EXPECT_EQ(parse_room("tenant:42")->module, "");
  EXPECT_EQ(parse_room("tenant:42:kitchen")->module, "kitchen");
  for (const std::string_view bad :
       {"", "tenant", "tenant:", "tenant:42:", "tenant::kitchen", "tenant:42:a:b", "tenants:42",
        "Tenant:42", "tenant:4 2", "tenant:42:*"})
    EXPECT_FALSE(parse_room(bad)) << bad;
}

}  // namespace
}  // namespace ringcast
