#include "protocol/server_api.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

namespace ringcast::protocol {
namespace {

using testing::HasSubstr;
using testing::Not;

// In a buffer that ends with the text, so that the address sanitizer sees a read beyond it.
template <class Decode>
auto decoded(std::string_view text, Decode decode) {
  const auto buffer = std::make_unique<char[]>(text.size());
  std::copy(text.begin(), text.end(), buffer.get());
  return decode(std::string_view(buffer.get(), text.size()));
}

auto batch(std::string_view text, std::size_t most = 3) {
  return decoded(text, [&](std::string_view body) { return decode_batch_body(body, most); });
}

auto broadcast(std::string_view text, std::size_t most = 3) {
  return decoded(text, [&](std::string_view body) { return decode_broadcast_body(body, most); });
}

TEST(BatchBody, EachPublicationIsReadFromItsOwnOctets) {
  const auto body = batch(
      " { \"x\" : [ 1 , [ ] ] ,\n\"publications\" : [ {\"room\":\"a\",\"type\":\"t\",\"data\":"
      "\"],}[\\\"\\\\\"} ,\t{\"data\":{\"b\":[1.50,{}]},\"room\":\"b\",\"type\":\"t\"}\r\n, [ ] ] "
      "} ");
  ASSERT_TRUE(body.ok()) << body.error().detail;
  ASSERT_EQ(body->size(), 3U);
  ASSERT_TRUE((*body)[0].ok()) << (*body)[0].error().detail;
  EXPECT_EQ(*(*body)[0]->data, R"("],}[\"\\")");
  ASSERT_TRUE((*body)[1].ok());
  EXPECT_EQ((*body)[1]->room, "b");
  EXPECT_EQ(*(*body)[1]->data, R"({"b":[1.50,{}]})");
  EXPECT_FALSE((*body)[2].ok());
}

TEST(BatchBody, HasOneToSoManyPublications) {
  const auto of = [](int count) {
    std::string text = R"({"publications":[)";
    for (int i = 0; i < count; ++i) text += i == 0 ? "{}" : ",{}";
    return batch(text + "]}");
  };
  EXPECT_FALSE(of(0).ok());
  EXPECT_TRUE(of(1).ok());
  EXPECT_TRUE(of(3).ok());
  ASSERT_FALSE(of(4).ok());
  EXPECT_THAT(of(4).error().detail, HasSubstr("publications: has 4 entries, expected 1 to 3"));
}

TEST(BatchBody, IsRefusedWholeWhereItIsNoListOfPublications) {
  for (const char* text : {"", "[]", "{}", R"({"publications":{}})", R"({"publications":7})",
                           R"({"publications":[{}})", R"({"publications":[{}]}x)"})
    EXPECT_FALSE(batch(text).ok()) << text;
}

TEST(BroadcastBody, ListsItsRooms) {
  const auto body =
      broadcast(R"({"rooms":["a","b\u00e9"],"type":"t","data":[1],"key":"k","excludeUser":"u"})");
  ASSERT_TRUE(body.ok()) << body.error().detail;
  EXPECT_EQ(body->rooms, (std::vector<std::string>{"a", "b\xc3\xa9"}));
  EXPECT_EQ(*body->publish.data, "[1]");
  EXPECT_EQ(body->publish.key, "k");
  EXPECT_EQ(body->publish.exclude_user, "u");
}

TEST(BroadcastBody, EveryWrongRoomIsNamed) {
  const auto body = broadcast(R"({"rooms":["a:",1,"ok"],"id":"x","type":"ping"})");
  ASSERT_FALSE(body.ok());
  for (const char* name : {"rooms[0]: ", "rooms[1]: ", "id: ", "type: ", "data: "})
    EXPECT_THAT(body.error().detail, HasSubstr(name));
  EXPECT_THAT(body.error().detail, Not(HasSubstr("rooms[2]")));
  EXPECT_FALSE(broadcast(R"({"rooms":["a","b","c","d"],"type":"t","data":1})").ok());
  EXPECT_TRUE(broadcast(R"({"rooms":["a","b","c"],"type":"t","data":1})").ok());
}

TEST(HistoryBody, HasAPositionOrNone) {
  const auto at = decode_history_body(
      R"({"room":"r","after":{"epoch":"e","offset":9007199254740991},"limit":5})", 5);
  ASSERT_TRUE(at.ok()) << at.error().detail;
  EXPECT_EQ(at->after, (Position{"e", kOffsetMax}));
  EXPECT_EQ(at->limit, 5U);
  const auto plain = decode_history_body(R"({"room":"r"})", 1'000);
  ASSERT_TRUE(plain.ok());
  EXPECT_FALSE(plain->after.has_value());
  EXPECT_EQ(plain->limit, 100U);
  EXPECT_EQ(decode_history_body(R"({"room":"r"})", 7)->limit, 7U);
  for (const char* text :
       {R"({"room":"r","limit":6})", R"({"room":"r","limit":0})", R"({"room":"r","after":1})",
        R"({"room":"r","after":{"epoch":"e","offset":9007199254740992}})", R"({"limit":1})"})
    EXPECT_FALSE(decode_history_body(text, 5).ok()) << text;
}

TEST(KickBody, NamesAUserAndPerhapsARoom) {
  EXPECT_EQ(decode_kick_body(R"({"user":"ann"})", KickFrom::everywhere)->user, "ann");
  EXPECT_EQ(decode_kick_body(R"({"user":"ann","room":"r"})", KickFrom::room)->room, "r");
  EXPECT_FALSE(decode_kick_body(R"({"user":"ann"})", KickFrom::room).ok());
  EXPECT_FALSE(decode_kick_body(R"({"user":"a b"})", KickFrom::everywhere).ok());
  EXPECT_FALSE(decode_kick_body("{}", KickFrom::everywhere).ok());
}

TEST(ServerApiAnswers, SayWhereTheNextPageBegins) {
  RoomsPage rooms{{{"a", 2, 3, Position{"e", 4}}, {"b", 1, 0, {}}}, true};
  EXPECT_EQ(encode_rooms(rooms),
            R"({"rooms":[{"room":"a","subscribers":2,"history":3,"offset":4,"epoch":"e"},)"
            R"({"room":"b","subscribers":1,"history":0}],"after":"b"})");
  rooms.more = false;
  EXPECT_THAT(encode_rooms(rooms), Not(HasSubstr("after")));
  EXPECT_EQ(encode_history({"r", {}, {}, false, false}),
            R"({"room":"r","events":[],"complete":false})");
}

TEST(ServerApiAnswers, OfSeveralPublicationsStandInOrder) {
  const std::string answers[] = {encode_published({{}, Offset{3}, "e"}),
                                 encode_refused({}, {Errc::conflict, "x"}),
                                 encode_refused("r", {Errc::unavailable, "y"})};
  EXPECT_EQ(encode_answers(answers),
            R"({"answers":[{"id":"00000000-0000-0000-0000-000000000000","offset":3,"epoch":"e"},)"
            R"({"error":"CONFLICT","message":"x"},)"
            R"({"room":"r","error":"UNAVAILABLE","message":"y"}]})");
}

}  // namespace
}  // namespace ringcast::protocol
