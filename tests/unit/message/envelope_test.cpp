#include "message/envelope.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <deque>
#include <functional>
#include <string>

#include "message/home_shard.hpp"
#include "message/timestamp.hpp"

namespace ringcast {

namespace {

using testing::HasSubstr;

constexpr char kId[] = "0b9c1f2e-3d4a-4b5c-8d6e-7f8091a2b3c4";

OutboxRow good_row() {
  OutboxRow row;
  row.id = 17;
  row.offset = 17;
  row.event_id = Uuid::parse(kId);
  row.tenant_id = "42";
  row.aggregate_type = "KitchenTask";
  row.aggregate_id = "t-1";
  row.event_type = "kitchen.task.claimed";
  row.occurred_at = parse_timestamp("2026-01-02T03:04:05.678Z");
  row.payload = R"({"taskId":"t-1"})";
  row.payload_bytes = row.payload.size();
  return row;
}

OutboxRow plain_row() {
  OutboxRow row;
  row.kind = OutboxRow::Kind::plain;
  row.event_id = Uuid::parse(kId);
  row.event_type = "note";
  row.room = "tenant:42";
  row.occurred_at = parse_timestamp("2026-01-02T03:04:05Z");
  row.payload = "[1,2]";
  row.payload_bytes = row.payload.size();
  return row;
}

RowEvents events(const OutboxRow& row, const EnvelopeLimits& limits = {}) {
  auto judged = events_of(row, limits);
  if (const auto* failed = std::get_if<FailedRow>(&judged)) {
    ADD_FAILURE() << failed->reason << ": " << failed->error;
    return {};
  }
  return std::get<RowEvents>(std::move(judged));
}

FailedRow failure(const OutboxRow& row, const EnvelopeLimits& limits = {}) {
  auto judged = events_of(row, limits);
  if (std::holds_alternative<RowEvents>(judged)) {
    ADD_FAILURE() << "the row is good";
    return {};
  }
  return std::get<FailedRow>(std::move(judged));
}

TEST(Envelope, HasItsFieldsInTheirOrder) {
  const auto out = events(good_row());
  ASSERT_EQ(out.events.size(), 2U);
  EXPECT_EQ(out.events[0]->data,
            R"({"id":"0b9c1f2e-3d4a-4b5c-8d6e-7f8091a2b3c4","version":1,"tenantId":"42",)"
            R"("aggregateType":"KitchenTask","aggregateId":"t-1",)"
            R"("occurredAt":"2026-01-02T03:04:05.678000Z","eventType":"kitchen.task.claimed",)"
            R"("payload":{"taskId":"t-1"}})");
  EXPECT_EQ(out.bytes, out.events[0]->data.size());
}

TEST(Envelope, GoesToTheTenantsRoomAndToItsModules) {
  const auto out = events(good_row());
  ASSERT_EQ(out.events.size(), 2U);
  EXPECT_EQ(out.events[0]->room, "tenant:42");
  EXPECT_EQ(out.events[1]->room, "tenant:42:kitchen");
  for (const EventRef& event : out.events) {
    EXPECT_EQ(event->id.text(), kId);
    EXPECT_EQ(event->type, "kitchen.task.claimed");
    EXPECT_EQ(event->offset, 17U);
    EXPECT_EQ(event->time, parse_timestamp("2026-01-02T03:04:05.678Z"));
  }
}

TEST(Envelope, IsWrittenOnceForBothRooms) {
  const auto out = events(good_row());
  ASSERT_EQ(out.events.size(), 2U);
  EXPECT_EQ(out.events[0]->data.data(), out.events[1]->data.data());
}

TEST(Envelope, GoesToTheRowsOwnRoomAlone) {
  auto row = good_row();
  row.room = "orders:7";
  row.event_type = "not a module";  // nothing is derived from it then
  const auto out = events(row);
  ASSERT_EQ(out.events.size(), 1U);
  EXPECT_EQ(out.events[0]->room, "orders:7");
}

TEST(Envelope, CarriesWhoIsExcludedAndTheKey) {
  auto row = good_row();
  row.exclude_user = "u1";
  row.conflation_key = "k";
  for (const EventRef& event : events(row).events) {
    EXPECT_EQ(event->exclude_user, "u1");
    EXPECT_EQ(event->key, "k");
  }
}

TEST(Envelope, EscapesWhatTheWriterChose) {
  auto row = good_row();
  row.aggregate_id = "a\"b\\c\n";
  EXPECT_THAT(std::string(events(row).events.at(0)->data),
              HasSubstr(R"("aggregateId":"a\"b\\c\u000a")"));
}

TEST(Envelope, HoldsNoRawLineEnd) {
  auto row = good_row();
  row.payload = "{\r\n\"a\": 1\n}";
  EXPECT_THAT(std::string(events(row).events.at(0)->data), HasSubstr(R"("payload":{"a":1}})"));
}

TEST(PlainRow, TypeAndDataGoOutAsGiven) {
  const auto out = events(plain_row());
  ASSERT_EQ(out.events.size(), 1U);
  EXPECT_EQ(out.events[0]->room, "tenant:42");
  EXPECT_EQ(out.events[0]->type, "note");
  EXPECT_EQ(out.events[0]->data, "[1,2]");
}

TEST(PlainRow, DataIsAnyJson) {
  for (const char* data : {"null", "1", "\"x\"", "{}", "[]", "true"}) {
    auto row = plain_row();
    row.payload = data;
    EXPECT_EQ(std::string(events(row).events.at(0)->data), data);
  }
}

TEST(PlainRow, NeedsNoTenantAndNoVersion) {
  auto row = plain_row();
  row.version = 0;
  EXPECT_EQ(events(row).events.size(), 1U);
}

// Text that outlives every row.
std::string_view repeated(std::size_t count, char c) {
  static std::deque<std::string> texts;
  return texts.emplace_back(count, c);
}

void spoil_id(OutboxRow& row, std::string_view text) {
  row.event_id.reset();
  row.event_id_text = text;
}

struct BadRow {
  const char* reason;
  const char* names;  // the sentence names the field
  std::function<void(OutboxRow&)> spoil;
};

const BadRow kBadRows[] = {
    {"invalid", "id", [](OutboxRow& row) { spoil_id(row, "17"); }},
    {"invalid", "id", [](OutboxRow& row) { spoil_id(row, ""); }},
    {"invalid", "id", [](OutboxRow& row) { spoil_id(row, repeated(4'000, '\xff')); }},
    {"invalid", "version", [](OutboxRow& row) { row.version = 0; }},
    {"invalid", "version", [](OutboxRow& row) { row.version = 2; }},
    {"invalid", "tenantId", [](OutboxRow& row) { row.tenant_id = {}; }},
    {"invalid", "tenantId", [](OutboxRow& row) { row.tenant_id = "42:kitchen"; }},
    {"invalid", "tenantId", [](OutboxRow& row) { row.tenant_id = repeated(121, 'a'); }},
    {"invalid", "aggregateType", [](OutboxRow& row) { row.aggregate_type = {}; }},
    {"invalid", "aggregateType", [](OutboxRow& row) { row.aggregate_type = "\xc3\x28"; }},
    {"invalid", "aggregateType",
     [](OutboxRow& row) { row.aggregate_type = repeated(kAggregateBytesMax + 1, 'a'); }},
    {"invalid", "aggregateId", [](OutboxRow& row) { row.aggregate_id = {}; }},
    {"invalid", "aggregateId", [](OutboxRow& row) { row.aggregate_id = "\xff"; }},
    {"invalid", "aggregateId",
     [](OutboxRow& row) { row.aggregate_id = repeated(kAggregateBytesMax + 1, 'a'); }},
    {"invalid", "eventType", [](OutboxRow& row) { row.event_type = {}; }},
    {"invalid", "eventType", [](OutboxRow& row) { row.event_type = repeated(129, 'a'); }},
    {"reserved_type", "eventType", [](OutboxRow& row) { row.event_type = "gap"; }},
    {"reserved_type", "eventType", [](OutboxRow& row) { row.event_type = "ringcast:x"; }},
    {"reserved_type", "eventType", [](OutboxRow& row) { row.event_type = "presence:join"; }},
    {"invalid", "module", [](OutboxRow& row) { row.event_type = ".task"; }},
    {"invalid", "module", [](OutboxRow& row) { row.event_type = "kit chen.task"; }},
    {"invalid", "room", [](OutboxRow& row) { row.room = ""; }},
    {"invalid", "room", [](OutboxRow& row) { row.room = "tenant:*"; }},
    {"invalid", "room", [](OutboxRow& row) { row.room = repeated(256, 'a'); }},
    {"invalid", "excludeUser", [](OutboxRow& row) { row.exclude_user = "u:1"; }},
    {"invalid", "conflationKey",
     [](OutboxRow& row) { row.conflation_key = repeated(kConflationKeyBytesMax + 1, 'k'); }},
    {"invalid", "occurredAt", [](OutboxRow& row) { row.occurred_at.reset(); }},
    {"invalid", "payload", [](OutboxRow& row) { row.payload = "[1]"; }},
    {"invalid", "payload", [](OutboxRow& row) { row.payload = "{\"a\":tru}"; }},
    {"invalid", "payload", [](OutboxRow& row) { row.payload = {}; }},
    {"invalid", "payload", [](OutboxRow& row) { row.payload = "{} {}"; }},
};

TEST(Envelope, AFieldAgainstItsRuleFailsTheRowAndIsNamed) {
  for (const BadRow& bad : kBadRows) {
    auto row = good_row();
    bad.spoil(row);
    const auto failed = failure(row);
    EXPECT_EQ(failed.id, 17);
    EXPECT_EQ(failed.reason, bad.reason) << bad.names << ": " << failed.error;
    EXPECT_TRUE(failed.error.starts_with(std::string(bad.names) + ":")) << failed.error;
    EXPECT_LE(failed.event_id.size(), 36U);
  }
}

TEST(PlainRow, WithoutARoomItFails) {
  auto row = plain_row();
  row.room.reset();
  EXPECT_THAT(failure(row).error, HasSubstr("room"));
}

TEST(Envelope, TheLongestNamesFitIntoTheirRoom) {
  auto row = good_row();
  row.tenant_id = repeated(120, 't');
  const std::string type = std::string(120, 'm') + ".x";
  row.event_type = type;
  row.aggregate_type = repeated(kAggregateBytesMax, 'a');
  row.aggregate_id = repeated(kAggregateBytesMax, 'i');
  row.conflation_key = repeated(kConflationKeyBytesMax, 'k');
  const auto out = events(row);
  ASSERT_EQ(out.events.size(), 2U);
  EXPECT_EQ(out.events[1]->room.size(), 248U);
}

TEST(Envelope, IsMeasuredAsItGoesOut) {
  const std::uint64_t bytes = events(good_row()).bytes;
  EXPECT_FALSE(events(good_row(), {bytes, bytes}).above_warn);
  EXPECT_TRUE(events(good_row(), {bytes - 1, bytes}).above_warn);
  const auto failed = failure(good_row(), {1, bytes - 1});
  EXPECT_EQ(failed.reason, "too_large");
  EXPECT_THAT(failed.error, HasSubstr(std::to_string(bytes)));
}

TEST(PlainRow, IsMeasuredByItsData) {
  EXPECT_EQ(events(plain_row(), {5, 5}).bytes, 5U);
  EXPECT_EQ(failure(plain_row(), {5, 4}).reason, "too_large");
}

TEST(Envelope, APayloadThatWasNotFetchedIsTooLarge) {
  auto row = good_row();
  row.payload = {};
  row.payload_bytes = (64ULL << 10) + 1;
  const auto failed = failure(row);
  EXPECT_EQ(failed.reason, "too_large");
  EXPECT_THAT(failed.error, HasSubstr("65537"));
}

PlainRow publish() {
  PlainRow row;
  row.room = "tenant:42";
  row.event_type = "note";
  row.data = std::make_shared<const std::string>("12345");
  return row;
}

TEST(CheckPlainRow, TakesWhatWouldBeDelivered) {
  EXPECT_TRUE(check_plain_row(publish(), {5, 5}).ok());
  auto envelope = publish();
  envelope.room.clear();
  envelope.envelope = EnvelopeKey{"42", "Task", "1"};
  EXPECT_TRUE(check_plain_row(envelope, {}).ok());
}

TEST(CheckPlainRow, RefusesWhatWouldFail) {
  const std::pair<Errc, std::function<void(PlainRow&)>> bad[] = {
      {Errc::validation, [](PlainRow& row) { row.room = "a:"; }},
      {Errc::validation, [](PlainRow& row) { row.event_type = "ack"; }},
      {Errc::validation, [](PlainRow& row) { row.exclude_user = "a b"; }},
      {Errc::validation, [](PlainRow& row) { row.conflation_key = repeated(256, 'k'); }},
      {Errc::validation,
       [](PlainRow& row) {
         row.envelope = EnvelopeKey{"4:2", "Task", "1"};
       }},
      {Errc::validation,
       [](PlainRow& row) {
         row.envelope = EnvelopeKey{"42", "", "1"};
       }},
      {Errc::validation,
       [](PlainRow& row) {
         row.envelope = EnvelopeKey{"42", "Task", ""};
       }},
      {Errc::payload_too_large,
       [](PlainRow& row) { row.data = std::make_shared<const std::string>("123456"); }},
  };
  for (const auto& [code, spoil] : bad) {
    auto row = publish();
    spoil(row);
    const auto checked = check_plain_row(row, {5, 5});
    ASSERT_FALSE(checked.ok());
    EXPECT_EQ(checked.error().code, code) << checked.error().detail;
  }
}

TEST(HomeShard, IsOneOfTheShardsAndAlwaysTheSame) {
  for (const std::uint32_t shards : {1U, 2U, 3U, 7U, 64U}) {
    for (int i = 0; i < 100; ++i) {
      const std::string room = "tenant:" + std::to_string(i);
      EXPECT_LT(home_shard(room, shards).value, shards);
      EXPECT_EQ(home_shard(room, shards), home_shard(room, shards));
    }
  }
}

TEST(HomeShard, SpreadsNamesThatDifferInTheirLastOctets) {
  constexpr std::uint32_t kShards = 8;
  constexpr int kRooms = 8'000;
  std::array<int, kShards> rooms{};
  for (int i = 0; i < kRooms; ++i)
    ++rooms.at(home_shard("tenant:" + std::to_string(i), kShards).value);
  for (const int count : rooms) {
    EXPECT_GT(count, kRooms / static_cast<int>(kShards) * 8 / 10);
    EXPECT_LT(count, kRooms / static_cast<int>(kShards) * 12 / 10);
  }
}

}  // namespace

}  // namespace ringcast
