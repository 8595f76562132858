#include "pg/append.hpp"

#include <gmock/gmock.h>

#include <thread>

#include "unit/pg/test_database.hpp"

namespace ringcast::pg {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

PlainRow plain(std::string data, std::string idempotency_key = {}) {
  PlainRow row;
  row.event_id = Uuid::random();
  row.room = "room:1";
  row.event_type = "note";
  row.data = std::make_shared<const std::string>(std::move(data));
  row.idempotency_key = std::move(idempotency_key);
  return row;
}

std::vector<Result<Appended>> append_to(OutboxStore& store, const std::vector<PlainRow>& rows) {
  auto outcomes = store.append(rows);
  EXPECT_TRUE(outcomes) << outcomes.error().detail;
  return outcomes ? std::move(outcomes).value() : std::vector<Result<Appended>>{};
}

std::vector<std::string> payloads_of(OutboxStore& store) {
  std::vector<std::string> payloads;
  for (;;) {
    auto window = store.next(OutboxStore::Read::record, 100);
    EXPECT_TRUE(window) << window.error().detail;
    for (const OutboxRow& row : window->rows) payloads.emplace_back(row.payload);
    if (window->rows.empty() && !window->more) return payloads;
  }
}

TEST(Append, InsertsRowsInTheirOrderAndAnswersForEach) {
  TestDatabase database;
  auto store = opened(database.url());
  auto first = plain("1");
  first.exclude_user = "bob";
  first.conflation_key = "key";
  const auto second = plain("2");
  const auto outcomes = append_to(*store, {first, second});
  ASSERT_THAT(outcomes, SizeIs(2));
  ASSERT_TRUE(outcomes[0]);
  EXPECT_EQ(outcomes[0]->id, first.event_id);
  EXPECT_EQ(outcomes[0]->offset, std::nullopt) << "its window does not exist yet";
  ASSERT_TRUE(outcomes[1]);
  EXPECT_EQ(outcomes[1]->id, second.event_id);
  auto window = store->next(OutboxStore::Read::record, 10);
  ASSERT_TRUE(window);
  ASSERT_THAT(window->rows, SizeIs(2));
  const OutboxRow& row = window->rows[0];
  EXPECT_EQ(row.kind, OutboxRow::Kind::plain);
  EXPECT_EQ(row.event_id, first.event_id);
  EXPECT_EQ(row.room, "room:1");
  EXPECT_EQ(row.event_type, "note");
  EXPECT_EQ(row.exclude_user, "bob");
  EXPECT_EQ(row.conflation_key, "key");
  EXPECT_EQ(row.payload, "1");
  EXPECT_EQ(window->rows[1].payload, "2");
}

TEST(Append, OfNothingIsNothing) {
  TestDatabase database;
  auto store = opened(database.url());
  EXPECT_THAT(append_to(*store, {}), SizeIs(0));
}

TEST(Append, GivesARepeatTheFirstAnswerAlsoAcrossDaemons) {
  TestDatabase database;
  auto one = opened(database.url());
  auto two = opened(database.url());
  const auto first = plain("1", "key");
  const auto again = plain("1", "key");
  EXPECT_EQ(append_to(*one, {first})[0]->id, first.event_id);
  EXPECT_EQ(append_to(*two, {again})[0]->id, first.event_id);
  EXPECT_EQ(append_to(*one, {again, again})[1]->id, first.event_id);
  EXPECT_THAT(payloads_of(*one), ElementsAre("1"));
}

TEST(Append, RefusesTheSameKeyWithOtherContent) {
  using Change = void (*)(PlainRow&);
  const struct {
    const char* what;
    Change change;
  } cases[] = {
      {"data", [](PlainRow& row) { row.data = std::make_shared<const std::string>("2"); }},
      {"type", [](PlainRow& row) { row.event_type = "other"; }},
      {"excluded user", [](PlainRow& row) { row.exclude_user = "bob"; }},
      {"conflation key", [](PlainRow& row) { row.conflation_key = "k"; }},
  };
  TestDatabase database;
  auto store = opened(database.url());
  append_to(*store, {plain("1", "key")});
  for (const auto& [what, change] : cases) {
    auto row = plain("1", "key");
    change(row);
    const auto outcomes = append_to(*store, {row});
    ASSERT_FALSE(outcomes[0]) << what;
    EXPECT_EQ(outcomes[0].error().code, Errc::conflict) << what;
  }
  EXPECT_THAT(payloads_of(*store), ElementsAre("1"));
}

TEST(Append, KeepsKeysOfOtherRoomsUsersAndKindsApart) {
  TestDatabase database;
  auto store = opened(database.url());
  auto row = plain("1", "key");
  auto other_room = plain("2", "key");
  other_room.room = "room:2";
  auto other_user = plain("3", "key");
  other_user.user = "ann";
  auto id = plain("4");
  id.id_given = true;
  auto id_as_key = plain("5", id.event_id.text());
  for (const auto& outcome : append_to(*store, {row, other_room, other_user, id, id_as_key}))
    EXPECT_TRUE(outcome);
  EXPECT_THAT(payloads_of(*store), ElementsAre("1", "2", "3", "4", "5"));
}

TEST(Append, DeduplicatesByTheIdThatAPublisherChose) {
  TestDatabase database;
  auto store = opened(database.url());
  auto row = plain("1");
  row.id_given = true;
  auto other = row;
  other.data = std::make_shared<const std::string>("2");
  auto made = row;
  made.id_given = false;
  const auto outcomes = append_to(*store, {row, row, other, made});
  EXPECT_EQ(outcomes[0]->id, row.event_id);
  EXPECT_EQ(outcomes[1]->id, row.event_id);
  EXPECT_EQ(outcomes[2].error().code, Errc::conflict);
  EXPECT_TRUE(outcomes[3]);
  EXPECT_THAT(payloads_of(*store), ElementsAre("1", "1"));
}

TEST(Append, AKeyOfARowThatIsARepeatByItsOtherKeyStaysFree) {
  TestDatabase database;
  auto store = opened(database.url());
  append_to(*store, {plain("1", "key")});
  auto repeat = plain("1", "key");
  repeat.id_given = true;
  append_to(*store, {repeat});
  repeat.idempotency_key.clear();
  const auto outcomes = append_to(*store, {repeat});
  EXPECT_TRUE(outcomes[0]);
  EXPECT_THAT(payloads_of(*store), ElementsAre("1", "1"));
}

TEST(Append, ForgetsKeysAfterTheWindow) {
  TestDatabase database;
  auto store = opened(database.url());
  Session owner(database.url());
  const struct {
    const char* age;
    std::size_t rows;
  } cases[] = {{"290 seconds", 1}, {"310 seconds", 2}};
  for (const auto& [age, rows] : cases) {
    const std::string key = age;
    append_to(*store, {plain("1", key)});
    owner.run("update ringcast.publish_key set at = clock_timestamp() - interval '" + key + "'");
    append_to(*store, {plain("1", key)});
    EXPECT_THAT(payloads_of(*store), SizeIs(rows)) << age;
  }
}

TEST(Append, KeepsTheNewestKeysOfARoomOnly) {
  TestDatabase database;
  auto store = opened(database.url());
  Session owner(database.url());
  Connection connection = connected(database.url());
  append_to(*store, {plain("1", "a"), plain("1", "b"), plain("1", "c")});
  owner.run("update ringcast.publish_key set at = at - interval '1 second' where key = 'ka'");
  ASSERT_TRUE(forget_keys(connection, {.window_s = 300, .keys_max = 3}));
  EXPECT_EQ(owner.value("select count(*) from ringcast.publish_key"), "3");
  ASSERT_TRUE(forget_keys(connection, {.window_s = 300, .keys_max = 2}));
  EXPECT_EQ(owner.value("select string_agg(key, ' ' order by key) from ringcast.publish_key"),
            "kb kc");
}

TEST(Append, ARowThatTheTableRefusesDoesNotHoldUpTheOthers) {
  TestDatabase database;
  auto store = opened(database.url());
  auto without_type = plain("2");
  without_type.event_type.clear();
  auto with_nul = plain("3", "key");
  with_nul.event_type = std::string("a\0b", 3);
  auto not_utf8 = plain("4");
  not_utf8.exclude_user = "\xff";
  const auto outcomes =
      append_to(*store, {plain("1"), without_type, with_nul, not_utf8, plain("5")});
  ASSERT_THAT(outcomes, SizeIs(5));
  EXPECT_TRUE(outcomes[0]);
  EXPECT_TRUE(outcomes[4]);
  for (const std::size_t i : {1U, 2U, 3U}) {
    ASSERT_FALSE(outcomes[i]) << i;
    EXPECT_EQ(outcomes[i].error().code, Errc::validation) << i;
  }
  EXPECT_THAT(payloads_of(*store), ElementsAre("1", "5"));
}

TEST(Append, OfTwoDaemonsWithOneKeyAtOnceInsertsOne) {
  TestDatabase database;
  constexpr int kRounds = 20;
  const auto publish = [&](std::vector<Uuid>& ids) {
    auto store = opened(database.url());
    for (int i = 0; i < kRounds; ++i) {
      const auto outcomes = append_to(
          *store, {plain("1", "a" + std::to_string(i)), plain("1", "b" + std::to_string(i))});
      for (const auto& outcome : outcomes) ids.push_back(outcome->id);
    }
  };
  std::vector<Uuid> one;
  std::vector<Uuid> two;
  {
    std::jthread first([&] { publish(one); });
    std::jthread second([&] { publish(two); });
  }
  EXPECT_EQ(one, two);
  auto store = opened(database.url());
  EXPECT_THAT(payloads_of(*store), SizeIs(2 * kRounds));
}

TEST(Append, IsUnavailableWhenTheConnectionIsLost) {
  TestDatabase database;
  auto store = opened(database.url());
  Session owner(database.url());
  owner.run(
      "select pg_terminate_backend(pid, 5000) from pg_stat_activity"
      " where application_name = 'ringcast' and datname = current_database()");
  const std::vector<PlainRow> rows = {plain("1")};
  auto outcomes = store->append(rows);
  ASSERT_FALSE(outcomes);
  EXPECT_EQ(outcomes.error().code, Errc::unavailable);
}

TEST(Fail, KeepsTheFirstReportOfARow) {
  TestDatabase database;
  auto store = opened(database.url());
  Session owner(database.url());
  owner.insert("a");
  auto window = store->next(OutboxStore::Read::record, 10);
  ASSERT_TRUE(window);
  FailedRow failed{.id = window->rows[0].id,
                   .event_id = window->rows[0].event_id->text(),
                   .reason = "invalid",
                   .error = "payload is not an object"};
  ASSERT_TRUE(store->fail(std::span(&failed, 1)));
  failed.error = "another text";
  failed.event_id = "not a uuid";
  ASSERT_TRUE(store->fail(std::span(&failed, 1)));
  EXPECT_EQ(owner.value("select status || ' ' || reason || ' ' || error from "
                        "ringcast.outbox_status"),
            "failed invalid payload is not an object");
}

TEST(Fail, KeepsARowWhoseErrorTextTheDatabaseWouldRefuse) {
  TestDatabase database;
  auto store = opened(database.url());
  Session owner(database.url());
  const std::string texts[] = {"cut in a char\xc3", std::string("a\0b", 3)};
  std::int64_t id = 0;
  for (const std::string& text : texts) {
    const FailedRow failed{.id = ++id, .event_id = "", .reason = "invalid", .error = text};
    auto done = store->fail(std::span(&failed, 1));
    EXPECT_TRUE(done) << done.error().detail;
  }
  EXPECT_EQ(owner.value("select count(*) from ringcast.failed"), "2");
}

TEST(Backlog, CountsWhatIsCommittedAndNotYetGiven) {
  TestDatabase database;
  auto store = opened(database.url());
  Session owner(database.url());
  const auto count = [&] {
    auto backlog = store->backlog();
    EXPECT_TRUE(backlog) << backlog.error().detail;
    EXPECT_EQ(backlog->oldest_seconds.has_value(), backlog->rows > 0);
    return backlog->rows;
  };
  EXPECT_EQ(count(), 0U);
  for (int i = 0; i < 5; ++i) owner.insert(std::to_string(i));
  Session open(database.url());
  open.run("begin");
  open.insert("not committed");
  EXPECT_EQ(count(), 5U);
  for (const std::uint64_t left : {3U, 1U, 0U}) {
    ASSERT_TRUE(store->next(OutboxStore::Read::record, 2));
    EXPECT_EQ(count(), left);
  }
}

}  // namespace
}  // namespace ringcast::pg
