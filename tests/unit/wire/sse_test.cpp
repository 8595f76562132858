#include "wire/sse.hpp"

#include <gtest/gtest.h>

namespace ringcast::wire {
namespace {

using namespace std::string_literals;

using Positions = std::vector<std::optional<Position>>;

std::string event(const std::optional<Position>& position, std::string_view type,
                  std::string_view data) {
  std::string out;
  append_sse_event(out, position, type, data);
  return out;
}

TEST(SseEvent, IsABlockOfFields) {
  EXPECT_EQ(event(Position{"ab", 42}, "order.created", R"({"a":1})"),
            "id: ab.42\nevent: order.created\ndata: {\"a\":1}\n\n");
  EXPECT_EQ(event(std::nullopt, "", "x"), "data: x\n\n");
  EXPECT_EQ(event(std::nullopt, "", ""), "data: \n\n");
}

TEST(SseEvent, CanNotBeForgedByALineEnd) {
  EXPECT_EQ(event(Position{"a\nid: b", 1}, "t\r\nevent: u\0"s, "x"),
            "id: a id: b.1\nevent: t  event: u \ndata: x\n\n");
  EXPECT_EQ(event(std::nullopt, "", "a\nb\rc\r\nd\n\ne"),
            "data: a\ndata: b\ndata: c\ndata: d\ndata: \ndata: e\n\n");
  EXPECT_EQ(event(std::nullopt, "", "a\r\n"), "data: a\ndata: \n\n");
}

TEST(SseId, HoldsOnePositionARoom) {
  std::string out;
  append_sse_id(out, Positions{Position{"ab", 42}});
  append_sse_id(out, Positions{Position{"ab", 0}, std::nullopt, Position{"cd", kOffsetMax}});
  append_sse_retry(out, Millis{1'500});
  out += kSseHeartbeat;
  EXPECT_EQ(out, "id: ab.42\n\nid: ab.0,-,cd.9007199254740991\n\nretry: 1500\n\n:\n\n");
}

TEST(LastEventId, GivesBackWhatWasWritten) {
  const Positions written{Position{"ab", 42}, std::nullopt, Position{"c-d_9", kOffsetMax}};
  std::string out;
  append_sse_id(out, written);
  const std::string text = out.substr(4, out.size() - 6);
  const auto parsed = parse_last_event_id(text, 3);
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(*parsed, written);
  EXPECT_FALSE(parse_last_event_id(text, 2).ok()) << "the rooms of another request";
  EXPECT_FALSE(parse_last_event_id(text, 4).ok());
}

TEST(LastEventId, TakesNothingElse) {
  for (const std::string& good :
       {"e.0"s, "e.1"s, "e.9007199254740991"s, "e.007"s, std::string(64, 'e') + ".1", "-"s})
    EXPECT_TRUE(parse_last_event_id(good, 1).ok()) << good;
  for (const std::string& bad : {""s,
                                 "."s,
                                 "e"s,
                                 "e."s,
                                 ".1"s,
                                 "e.1.2"s,
                                 "e.-1"s,
                                 "e.+1"s,
                                 "e.1 "s,
                                 " e.1"s,
                                 "e.0x1"s,
                                 "e.9007199254740992"s,
                                 "e.99999999999999999"s,
                                 "e.18446744073709551617"s,
                                 "e f.1"s,
                                 "e\n.1"s,
                                 "e\0.1"s,
                                 "\xc3\xa9.1"s,
                                 std::string(65, 'e') + ".1",
                                 "e.1,"s,
                                 ",e.1"s,
                                 "e.1,e.2"s,
                                 "--"s,
                                 "-.1x"s})
    EXPECT_FALSE(parse_last_event_id(bad, 1).ok()) << bad;
}

TEST(LastEventId, HoldsAtMostTheRoomsOfOneStream) {
  std::string text = "e.1";
  for (std::size_t i = 1; i < kSseRoomsMax; ++i) text += ",e.1";
  EXPECT_TRUE(parse_last_event_id(text, kSseRoomsMax).ok());
  EXPECT_FALSE(parse_last_event_id(text + ",e.1", kSseRoomsMax + 1).ok());
  EXPECT_FALSE(parse_last_event_id("", 0).ok());
}

TEST(SseHead, ForbidsToStoreAndToBuffer) {
  std::string out;
  append_sse_head(out, {{"Access-Control-Allow-Origin", "https://a"}});
  EXPECT_EQ(out,
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n"
            "X-Accel-Buffering: no\r\nConnection: close\r\n"
            "Access-Control-Allow-Origin: https://a\r\n\r\n");
}

}  // namespace
}  // namespace ringcast::wire
