#include "protocol/native.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "message/json.hpp"
#include "message/names.hpp"
#include "protocol/json_fields.hpp"

namespace ringcast::protocol {
namespace {

using testing::HasSubstr;

// In a buffer that ends with the text, so that the address sanitizer sees a read beyond it.
NativeMessage decoded(std::string_view text) {
  const auto buffer = std::make_unique<char[]>(text.size());
  std::copy(text.begin(), text.end(), buffer.get());
  return decode_native({buffer.get(), text.size()});
}

template <class Request>
Request taken(std::string_view text) {
  NativeMessage message = decoded(text);
  if (!message.request.ok()) {
    ADD_FAILURE() << text << ": " << message.request.error().detail;
    return {};
  }
  EXPECT_TRUE(std::holds_alternative<Request>(*message.request)) << text;
  return std::get<Request>(std::move(*message.request));
}

std::string refusal(std::string_view text) {
  const NativeMessage message = decoded(text);
  if (message.request.ok()) return "taken";
  EXPECT_EQ(message.request.error().code, Errc::validation);
  return message.request.error().detail;
}

std::string id_of(std::string_view text) { return decoded(text).id; }

TEST(NativeMessage, ReadsASubscription) {
  const auto plain = taken<SubscribeRequest>(R"({"type":"subscribe","room":"project:7"})");
  EXPECT_EQ(plain.room, "project:7");
  EXPECT_FALSE(plain.recover.has_value());
  const auto recovering = taken<SubscribeRequest>(
      R"({"recover":{"epoch":"ab","offset":9007199254740991},"room":"p\u00e9","type":"subscribe"})");
  EXPECT_EQ(recovering.room, "p\xc3\xa9");
  EXPECT_EQ(recovering.recover, (Position{"ab", kOffsetMax}));
}

TEST(NativeMessage, ReadsTheSmallRequests) {
  EXPECT_EQ(taken<UnsubscribeRequest>(R"({"type":"unsubscribe","room":"r"})").room, "r");
  (void)taken<PingRequest>(R"({"type":"ping"})");
  (void)taken<PingRequest>(" {\n\"type\" :\t\"ping\" }\r\n");
  EXPECT_EQ(taken<AuthRequest>(R"({"type":"auth","token":"a.b.c"})").token, "a.b.c");
}

TEST(NativeMessage, ReadsPresence) {
  const auto list = taken<PresenceRequest>(
      R"({"type":"presence","action":"list","room":"r","limit":1000,"after":"u7"})");
  EXPECT_EQ(list.action, PresenceAction::list);
  EXPECT_EQ(list.limit, kPresencePageMax);
  EXPECT_EQ(list.after, "u7");
  EXPECT_EQ(taken<PresenceRequest>(R"({"type":"presence","action":"join","room":"r"})").action,
            PresenceAction::join);
  const auto leave = taken<PresenceRequest>(R"({"type":"presence","action":"leave","room":"r"})");
  EXPECT_EQ(leave.action, PresenceAction::leave);
  EXPECT_EQ(leave.limit, kPresencePageDefault);
}

TEST(NativeMessage, KeepsTheOctetsOfPublishedData) {
  for (const std::string_view data :
       {R"({"b": [1, 2.50, 1e3], "a":"\u00e9}{\"\\"})", "1.0", "\"x, }\"", "null", "[]", "{}",
        "[ {} , [] ]", "-0", "true", R"("\\")", R"("\"")", R"({"type":"ping","room":{}})"}) {
    const std::string first =
        fmt::format(R"({{ "type":"publish", "data" : {} , "room":"r","event":"t"}})", data);
    EXPECT_EQ(*taken<PublishRequest>(first).data, data);
    const std::string last =
        fmt::format(R"({{"x":"}}{{\",","type":"publish","room":"r","event":"t","data":{}}})", data);
    EXPECT_EQ(*taken<PublishRequest>(last).data, data);
  }
  EXPECT_EQ(*taken<PublishRequest>("{\"type\":\"publish\",\"room\":\"r\",\"event\":\"t\","
                                   "\"data\":{\r\n\"a\" : 1}\n}")
                 .data,
            R"({"a":1})")
      << "without line ends, for SSE";
}

TEST(NativeMessage, ReadsTheKeysOfAPublication) {
  const auto publish = taken<PublishRequest>(
      R"({"type":"publish","room":"r","event":"task:moved","data":1,"key":"k","idempotencyKey":"i"})");
  EXPECT_EQ(publish.room, "r");
  EXPECT_EQ(publish.event, "task:moved");
  EXPECT_EQ(publish.key, "k");
  EXPECT_EQ(publish.idempotency_key, "i");
  EXPECT_FALSE(publish.event_id.has_value());
}

TEST(NativeMessage, ReadsWhatAServerSaysOfItsPublication) {
  const auto publish = taken<PublishRequest>(
      R"({"type":"publish","room":"r","event":"e","data":1,"excludeUser":"ann",)"
      R"("eventId":"0d9f6f5e-2a51-4c6b-9d5e-111111111111"})");
  EXPECT_EQ(publish.exclude_user, "ann");
  EXPECT_EQ(publish.event_id, Uuid::parse("0d9f6f5e-2a51-4c6b-9d5e-111111111111"));
  EXPECT_THAT(refusal(R"({"type":"publish","room":"r","event":"e","data":1,"excludeUser":"a b",)"
                      R"("eventId":"7"})"),
              testing::AllOf(HasSubstr("excludeUser: "), HasSubstr("eventId: ")));
}

TEST(NativeMessage, ReadsACall) {
  const auto call = taken<CallRequest>(
      R"({"type":"call","event":"message:send","data":{ "body":"\u00e9" },"idempotencyKey":"k"})");
  EXPECT_EQ(call.event, "message:send");
  EXPECT_EQ(*call.data, R"({ "body":"\u00e9" })");
  EXPECT_EQ(call.idempotency_key, "k");
}

TEST(NativeMessage, CallsAreNotEventsSoTheirNamesAreNotReserved) {
  const auto call = taken<CallRequest>(R"({"type":"call","event":"presence:ping"})");
  EXPECT_EQ(call.event, "presence:ping");
  EXPECT_EQ(*call.data, "null") << "a call may carry nothing";
  EXPECT_EQ(call.idempotency_key, "");
  for (const std::string_view type : {"call", "ack"})
    EXPECT_THAT(
        refusal(fmt::format(R"({{"type":"publish","room":"r","event":"{}","data":1}})", type)),
        HasSubstr("is reserved"));
}

TEST(NativeMessage, BoundsTheNameAndTheKeyOfACall) {
  const auto call = [](std::size_t event, std::size_t key) {
    return fmt::format(R"({{"type":"call","event":"{}","idempotencyKey":"{}"}})",
                       std::string(event, 'e'), std::string(key, 'k'));
  };
  EXPECT_EQ(refusal(call(128, kKeyBytesMax)), "taken");
  EXPECT_THAT(refusal(call(129, 1)), HasSubstr("event: has 129 octets"));
  EXPECT_THAT(refusal(call(1, kKeyBytesMax + 1)), HasSubstr("idempotencyKey: has 256"));
}

TEST(NativeMessage, RepeatsAnIdAsItWasWritten) {
  for (const std::string_view id :
       {"1", "-7", "18446744073709551615", "\"a\"", "\"\\u0041 b\"", "\"\"", "0"})
    EXPECT_EQ(id_of(fmt::format(R"({{"type":"ping","id": {} }})", id)), id);
  EXPECT_EQ(id_of(R"({"type":"ping"})"), "");
  const auto with_length = [](std::size_t length) {
    return fmt::format(R"({{"type":"ping","id":"{}"}})", std::string(length, 'i'));
  };
  EXPECT_EQ(refusal(with_length(kRequestIdBytesMax)), "taken");
  EXPECT_THAT(refusal(with_length(kRequestIdBytesMax + 1)), HasSubstr("id:"));
  for (const std::string_view id : {"1.5", "null", "true", "[]", "{}", "1e2"}) {
    const std::string text = fmt::format(R"({{"type":"ping","id":{}}})", id);
    EXPECT_THAT(refusal(text), HasSubstr("id: is not an integer or a string")) << id;
    EXPECT_EQ(id_of(text), "");
  }
}

TEST(NativeMessage, KnowsTheIdOfAWrongMessage) {
  EXPECT_EQ(id_of(R"({"type":"subscribe","id":"q1"})"), "\"q1\"");
  EXPECT_EQ(id_of(R"({"id":5,"type":"nonsense"})"), "5");
  EXPECT_EQ(id_of(R"({"id":5})"), "5");
}

TEST(NativeMessage, NamesEveryOffendingField) {
  EXPECT_EQ(refusal(R"({"type":"publish","key":1,"event":"ping"})"),
            "room: is missing; event: 'ping' is reserved for the engine's own messages; "
            "data: is missing; key: is not a string");
  EXPECT_EQ(refusal(R"({"type":"subscribe","room":"a*","recover":{"offset":-1}})"),
            "room: contains '*', which stands only in grants; recover.offset: is not an integer "
            "from 0 to 9007199254740991; recover.epoch: is missing");
}

TEST(NativeMessage, RefusesWrongFields) {
  struct Case {
    std::string_view text, complaint;
  };
  constexpr Case kCases[] = {
      {R"({})", "type: is missing"},
      {R"({"type":7})", "type: is not a string"},
      {R"({"type":""})", "type: has 0 octets"},
      {R"({"type":"ack","id":1,"ok":true})", "type: unknown type"},
      {R"({"type":"call"})", "event: is missing"},
      {R"({"type":"call","event":""})", "event: has 0 octets"},
      {R"({"type":"call","event":["x"]})", "event: is not a string"},
      {R"({"type":"call","event":"x\n"})", "event: contains a control"},
      {R"({"type":"call","event":"x","idempotencyKey":7})", "idempotencyKey: is not a string"},
      {R"({"type":"call","event":"x","data":{"a":1,}})", "not valid JSON"},
      {R"({"type":"Ping"})", "type: unknown type"},
      {R"({"type":"subscribe"})", "room: is missing"},
      {R"({"type":"subscribe","room":""})", "room: has 0 octets"},
      {R"({"type":"subscribe","room":["r"]})", "room: is not a string"},
      {R"({"type":"subscribe","room":"r\u0000"})", "room: contains a control"},
      {R"({"type":"subscribe","room":":r"})", "room: begins"},
      {R"({"type":"subscribe","room":"r","recover":null})", "recover: is not an object"},
      {R"({"type":"subscribe","room":"r","recover":{}})", "recover.offset: is missing"},
      {R"({"type":"subscribe","room":"r","recover":{"epoch":"e","offset":9007199254740992}})",
       "recover.offset: is not"},
      {R"({"type":"subscribe","room":"r","recover":{"epoch":"e","offset":1.0}})",
       "recover.offset: is not"},
      {R"({"type":"subscribe","room":"r","recover":{"epoch":"e","offset":"1"}})",
       "recover.offset: is not"},
      {R"({"type":"subscribe","room":"r","recover":{"epoch":"e.f","offset":1}})",
       "recover.epoch: is not one"},
      {R"({"type":"subscribe","room":"r","recover":{"epoch":"","offset":1}})",
       "recover.epoch: has 0 octets"},
      {R"({"type":"subscribe","room":"r","recover":{"epoch":"e","offset":1,"offset":1}})",
       "recover.offset: stands twice"},
      {R"({"type":"publish","room":"r","event":"presence:update","data":1})", "event: 'presence"},
      {R"({"type":"publish","room":"r","event":"t","data":1,"idempotencyKey":""})",
       "idempotencyKey: has 0 octets"},
      {R"({"type":"presence","room":"r"})", "action: is missing"},
      {R"({"type":"presence","room":"r","action":"jump"})", "action: is not"},
      {R"({"type":"presence","room":"r","action":"list","limit":0})", "limit: is not"},
      {R"({"type":"presence","room":"r","action":"list","limit":1001})", "limit: is not"},
      {R"({"type":"auth"})", "token: is missing"},
      {R"({"type":"auth","token":""})", "token: has 0 octets"},
      {R"({"type":"ping","type":"ping"})", "type: stands twice"},
      {R"({"type":"ping","\u0074ype":"ping"})", "type: stands twice"},
      {R"({"type":"ping","other":1,"other":2})", "other: stands twice"},
  };
  for (const auto& [text, complaint] : kCases) EXPECT_THAT(refusal(text), HasSubstr(complaint));
}

TEST(NativeMessage, IgnoresFieldsThatItDoesNotKnow) {
  (void)taken<PingRequest>(R"({"type":"ping","later":{"a":[1]},"room":7})");
}

TEST(NativeMessage, RefusesWhatIsNoJsonObject) {
  for (const std::string_view text :
       {"", " ", "null", "[]", "\"ping\"", "1", "[{\"type\":\"ping\"}]"})
    EXPECT_THAT(refusal(text), HasSubstr("the message is not")) << text;
  for (const std::string_view text :
       {"{", "{\"type\":\"ping\"", "{\"type\":\"ping\"}}", "{\"type\":\"ping\"}{\"type\":\"ping\"}",
        "{\"type\":\"ping\",}", "{'type':'ping'}", "{\"type\":\"ping\",\"a\":tru}",
        "{\"type\":\"ping\",\"a\":[1 2]}", "{\"type\":\"ping\",\"a\":01}",
        "{\"type\":\"ping\",\"a\":\"\x01\"}", "{\"type\":\"ping\",\"a\":\"\xff\"}",
        "{\"type\":\"ping\",\"a\":\"\\ud800\"}", "{\"type\":\"ping\",\"a\":NaN}",
        "\xef\xbb\xbf{\"type\":\"ping\"}"})
    EXPECT_THAT(refusal(text), HasSubstr("not valid JSON")) << text;
}

TEST(NativeMessage, IsWrongInEveryPrefix) {
  const std::string_view text =
      R"({"type":"publish","room":"r","event":"t","data":{"a":[1,"\"}"]},"id":"\u00e9"})";
  for (std::size_t length = 0; length < text.size(); ++length)
    EXPECT_THAT(refusal(text.substr(0, length)), HasSubstr("not valid JSON")) << length;
  EXPECT_EQ(refusal(text), "taken");
}

TEST(NativeMessage, LimitsItsDepth) {
  const auto nested = [](std::size_t depth, std::string_view innermost) {
    return fmt::format(R"({{"type":"ping","x":{}{}{}}})", std::string(depth - 1, '['), innermost,
                       std::string(depth - 1, ']'));
  };
  for (const std::string_view innermost : {"", "1"}) {
    EXPECT_EQ(refusal(nested(kJsonDepthMax, innermost)), "taken");
    EXPECT_NE(refusal(nested(kJsonDepthMax + 1, innermost)), "taken");
  }
  EXPECT_NE(refusal(std::string(60'000, '[')), "taken");
  EXPECT_NE(refusal(nested(30'000, "")), "taken");
}

TEST(NativeMessage, LimitsTheNumberOfItsFields) {
  const auto with_fields = [](std::size_t count) {
    std::string text = R"({"type":"ping")";
    for (std::size_t i = 1; i < count; ++i) text += fmt::format(R"(,"f{}":0)", i);
    return text + "}";
  };
  EXPECT_EQ(refusal(with_fields(kJsonFieldsMax)), "taken");
  EXPECT_THAT(refusal(with_fields(kJsonFieldsMax + 1)), HasSubstr("more than 16 fields"));
  EXPECT_LT(refusal(with_fields(6'000)).size(), 200U);
}

TEST(NativeMessage, DoesNotRepeatALongNameToItsSender) {
  const std::string name(10'000, 'n');
  const auto text = fmt::format(R"({{"type":"ping","{0}":1,"{0}":2}})", name);
  EXPECT_EQ(refusal(text), "a field with a long name: stands twice");
}

TEST(NativeMessage, LimitsItsTexts) {
  struct Case {
    std::string_view format;
    std::size_t most;
  };
  constexpr Case kCases[] = {
      {R"({{"type":"subscribe","room":"{}"}})", 255},
      {R"({{"type":"publish","room":"r","data":0,"event":"{}"}})", 128},
      {R"({{"type":"publish","room":"r","data":0,"event":"t","key":"{}"}})", kKeyBytesMax},
      {R"({{"type":"publish","room":"r","data":0,"event":"t","idempotencyKey":"{}"}})",
       kKeyBytesMax},
      {R"({{"type":"subscribe","room":"r","recover":{{"offset":1,"epoch":"{}"}}}})",
       kRequestEpochBytesMax},
      {R"({{"type":"presence","room":"r","action":"list","after":"{}"}})", kRequestUserBytesMax},
      {R"({{"type":"auth","token":"{}"}})", kRequestTokenBytesMax},
  };
  for (const auto& [format, most] : kCases) {
    EXPECT_EQ(refusal(fmt::format(fmt::runtime(format), std::string(most, 'a'))), "taken");
    EXPECT_THAT(refusal(fmt::format(fmt::runtime(format), std::string(most + 1, 'a'))),
                HasSubstr("octets"));
  }
}

TEST(NativeMessage, CanBeReadAfterALargerAndAWrongOne) {
  (void)refusal("{" + std::string(100'000, ' ') + "}");
  (void)refusal(std::string(5'000, '['));
  EXPECT_EQ(taken<UnsubscribeRequest>(R"({"type":"unsubscribe","room":"r"})").room, "r");
}

}  // namespace
}  // namespace ringcast::protocol
