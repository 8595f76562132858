#include "protocol/native_frames.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "message/json.hpp"

namespace ringcast::protocol {
namespace {

// 2026-01-02T03:04:05.678901Z
const WallTime kTime{std::chrono::microseconds{1'767'323'045'678'901}};
const std::string kUuid = "01234567-89ab-4cde-8f01-23456789abcd";

// What a frame function appends behind what is there; and it is JSON.
template <class Append, class... Args>
std::string written(Append append, const Args&... args) {
  std::string out = "before";
  append(out, args...);
  EXPECT_EQ(out.substr(0, 6), "before");
  out.erase(0, 6);
  EXPECT_TRUE(check_payload(out, JsonShape::object, "frame").ok()) << out;
  return out;
}

Event event() {
  Event made;
  made.id = *Uuid::parse(kUuid);
  made.room = "tenant:42";
  made.type = "order.created";
  made.data = R"({"a": 1})";
  made.time = kTime;
  made.offset = 7;
  return made;
}

TEST(NativeFrames, WriteAnEvent) {
  EXPECT_EQ(written(append_event, event()),
            R"({"type":"order.created","room":"tenant:42","offset":7,)"
            R"("id":"01234567-89ab-4cde-8f01-23456789abcd","time":"2026-01-02T03:04:05.678901Z",)"
            R"("data":{"a": 1}})");
}

TEST(NativeFrames, WriteAnEventWithoutHistoryWithoutAnOffset) {
  Event without = event();
  without.offset = 0;
  without.type = "a\"b";
  EXPECT_EQ(written(append_event, without),
            R"({"type":"a\"b","room":"tenant:42","id":"01234567-89ab-4cde-8f01-23456789abcd",)"
            R"("time":"2026-01-02T03:04:05.678901Z","data":{"a": 1}})");
}

TEST(NativeFrames, WriteConnected) {
  EXPECT_EQ(written(append_connected, ConnectedFrame{"s1", "u1", Millis{25'000}, kTime}),
            R"({"type":"connected","protocol":"ringcast.v1","session":"s1","user":"u1",)"
            R"("pingIntervalMs":25000,"expiresAt":"2026-01-02T03:04:05.678901Z"})");
  EXPECT_EQ(written(append_connected, ConnectedFrame{"s1", "", Millis{0}, std::nullopt}),
            R"({"type":"connected","protocol":"ringcast.v1","session":"s1"})");
}

TEST(NativeFrames, WriteSubscribed) {
  EXPECT_EQ(written(append_subscribed, SubscribedFrame{"r", 9, "e", std::nullopt}, "5"),
            R"({"type":"subscribed","room":"r","offset":9,"epoch":"e","id":5})");
  EXPECT_EQ(written(append_subscribed, SubscribedFrame{"r", 0, "e", true}, ""),
            R"({"type":"subscribed","room":"r","offset":0,"epoch":"e","recovered":true})");
  EXPECT_EQ(written(append_subscribed, SubscribedFrame{"r", 0, "", false}, "\"x\""),
            R"({"type":"subscribed","room":"r","recovered":false,"id":"x"})");
}

TEST(NativeFrames, WriteUnsubscribed) {
  EXPECT_EQ(written(append_unsubscribed, "r", "", "1"),
            R"({"type":"unsubscribed","room":"r","id":1})");
  EXPECT_EQ(written(append_unsubscribed, "r", "grant lost", ""),
            R"({"type":"unsubscribed","room":"r","reason":"grant lost"})");
}

TEST(NativeFrames, WritePublishedWithTheIdOfTheRequestOrOfTheEvent) {
  const PublishedFrame frame{"r", *Uuid::parse(kUuid), 3, {}};
  EXPECT_EQ(written(append_published, PublishedFrame{"r", frame.event_id, 3, "e"}, "1"),
            R"({"type":"published","room":"r","id":1,)"
            R"("eventId":"01234567-89ab-4cde-8f01-23456789abcd","offset":3,"epoch":"e"})");
  EXPECT_EQ(written(append_published, frame, "\"q\""),
            R"({"type":"published","room":"r","id":"q",)"
            R"("eventId":"01234567-89ab-4cde-8f01-23456789abcd","offset":3})");
  EXPECT_EQ(written(append_published, PublishedFrame{"r", frame.event_id, 0, {}}, ""),
            R"({"type":"published","room":"r","id":"01234567-89ab-4cde-8f01-23456789abcd",)"
            R"("eventId":"01234567-89ab-4cde-8f01-23456789abcd"})");
}

TEST(NativeFrames, WriteAcks) {
  EXPECT_EQ(written(append_ack, R"({"serverId":7})", "\"q\""),
            R"({"type":"ack","id":"q","ok":true,"data":{"serverId":7}})");
  CallError failed{Errc::not_found, "no \"chat\"", {}};
  EXPECT_EQ(written(append_failed_ack, failed, *Uuid::parse(kUuid), "7"),
            R"({"type":"ack","id":7,"ok":false,"error":"NOT_FOUND","message":"no \"chat\"",)"
            R"("correlationId":"01234567-89ab-4cde-8f01-23456789abcd"})");
  failed = {Errc::validation, "2 fields", {{"body", "is missing"}, {"cli\"", "is not a string"}}};
  EXPECT_EQ(written(append_failed_ack, failed, *Uuid::parse(kUuid), "7"),
            R"({"type":"ack","id":7,"ok":false,"error":"VALIDATION_ERROR","message":"2 fields",)"
            R"("correlationId":"01234567-89ab-4cde-8f01-23456789abcd",)"
            R"("fields":{"body":"is missing","cli\"":"is not a string"}})");
  failed = {"SEAT_TAKEN", "by bob", {}};
  EXPECT_EQ(written(append_failed_ack, failed, *Uuid::parse(kUuid), "7"),
            R"({"type":"ack","id":7,"ok":false,"error":"SEAT_TAKEN","message":"by bob",)"
            R"("correlationId":"01234567-89ab-4cde-8f01-23456789abcd"})");
}

TEST(NativeFrames, WriteTheShortAnswers) {
  EXPECT_EQ(written(append_pong, ""), R"({"type":"pong"})");
  EXPECT_EQ(written(append_pong, "7"), R"({"type":"pong","id":7})");
  EXPECT_EQ(written(append_renewed, std::optional<WallTime>(kTime), "7"),
            R"({"type":"auth","expiresAt":"2026-01-02T03:04:05.678901Z","id":7})");
  EXPECT_EQ(written(append_renewed, std::optional<WallTime>(), ""), R"({"type":"auth"})");
  EXPECT_EQ(written(append_error, Error{Errc::forbidden, "not \"yours\"\n"}, "7"),
            R"({"type":"error","code":"FORBIDDEN","message":"not \"yours\"\u000a","id":7})");
}

TEST(NativeFrames, WriteGapsForEveryReason) {
  struct Case {
    GapReason reason;
    std::string_view text;
  };
  constexpr Case kCases[] = {{GapReason::overflow, "overflow"},
                             {GapReason::expired, "expired"},
                             {GapReason::conflated, "conflated"},
                             {GapReason::shard, "shard"}};
  for (const auto& [reason, text] : kCases) {
    EXPECT_EQ(written(append_gap, GapFrame{"r", 0, 0, reason}),
              R"({"type":"gap","room":"r","reason":")" + std::string(text) + "\"}")
        << "a room without offsets";
    EXPECT_EQ(written(append_gap, GapFrame{"r", 1, kOffsetMax, reason}),
              R"({"type":"gap","room":"r","from":1,"to":9007199254740991,"reason":")" +
                  std::string(text) + "\"}");
  }
}

TEST(NativeFrames, WriteAPosition) {
  EXPECT_EQ(written(append_position, Position{"e", 8}),
            R"({"type":"position","epoch":"e","offset":8})");
}

TEST(NativeFrames, WritePresence) {
  const std::vector<std::string> users{"a", "b\"c"};
  const std::vector<std::string> none;
  EXPECT_EQ(written(append_presence_update, PresenceFrame{"r", users, 2, users, none}, ""),
            R"({"type":"presence:update","room":"r","users":["a","b\"c"],"joined":["a","b\"c"],)"
            R"("left":[]})");
  EXPECT_EQ(
      written(append_presence_update, PresenceFrame{"r", std::nullopt, 101, none, users}, "4"),
      R"({"type":"presence:update","room":"r","count":101,"joined":[],"left":["a","b\"c"],"id":4})");
  EXPECT_EQ(written(append_presence_page, PresencePageFrame{"r", users, 9, "b\"c"}, "4"),
            R"({"type":"presence:list","room":"r","users":["a","b\"c"],"count":9,)"
            R"("after":"b\"c","id":4})");
  EXPECT_EQ(written(append_presence_page, PresencePageFrame{"r", none, 0, ""}, ""),
            R"({"type":"presence:list","room":"r","users":[],"count":0})");
}

}  // namespace
}  // namespace ringcast::protocol
