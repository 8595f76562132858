#include "pg/status_store.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "unit/pg/test_database.hpp"

namespace ringcast::pg {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::chrono::seconds kHour{3'600};
constexpr std::uint64_t kMany = 64ULL << 20;

std::unique_ptr<StatusStore> status_store(const std::string& url) {
  auto store = std::make_unique<StatusStore>(settings_for(url));
  auto state = store->open(kHour, kMany);
  EXPECT_TRUE(state) << state.error().detail;
  return store;
}

// A row of `aggregate` that is known by its event type.
void write(Session& session, const std::string& aggregate, const std::string& name) {
  session.run(
      fmt::format("select ringcast.create_outbox_event('t', 'Thing', '{}', 'a.{}', '{{}}'::jsonb)",
                  aggregate, name));
}

std::vector<std::string> read_types(OutboxStore& store) {
  std::vector<std::string> types;
  for (;;) {
    auto window = store.next(OutboxStore::Read::record_on, 1'000);
    EXPECT_TRUE(window) << window.error().detail;
    if (!window || window->rows.empty()) return types;
    for (const OutboxRow& row : window->rows) types.emplace_back(row.event_type);
  }
}

// An aggregate whose partition is not that of `other`.
std::string aggregate_apart_from(Session& session, const std::string& other) {
  return session.value(
      fmt::format("select 'x' || i from generate_series(1, 1000) i"
                  " where ringcast.claim_part('t', 'Thing', 'x' || i, null)"
                  "       <> ringcast.claim_part('t', 'Thing', '{}', null) limit 1",
                  other));
}

void end_leases(Session& session) {
  session.run("update ringcast.claim_lease set lease_until = clock_timestamp() - interval '1 s'");
}

Error refusal(Result<StoreState> state) {
  EXPECT_FALSE(state);
  return state ? Error{} : state.error();
}

TEST(Lease, IsTakenOverWhenItIsOverAndNotBefore) {
  TestDatabase database;
  Session session(database.url());
  auto holder = status_store(database.url());
  auto other = status_store(database.url());
  write(session, "a", "first");
  EXPECT_THAT(read_types(*holder), ElementsAre("a.first"));
  EXPECT_THAT(read_types(*other), ElementsAre("a.first"));
  session.run(
      "update ringcast.claim_lease set lease_until = clock_timestamp() + interval '1 hour'");
  write(session, "a", "second");
  EXPECT_THAT(read_types(*other), IsEmpty());
  auto backlog = other->backlog();
  ASSERT_TRUE(backlog);
  EXPECT_EQ(backlog->rows, 1U) << "not claimed is not read";
  end_leases(session);
  EXPECT_THAT(read_types(*other), ElementsAre("a.second"));
  EXPECT_THAT(read_types(*holder), ElementsAre("a.second"));
}

TEST(Lease, IsGivenBackAtTheEnd) {
  TestDatabase database;
  Session session(database.url());
  auto holder = status_store(database.url());
  auto other = status_store(database.url());
  write(session, "a", "first");
  read_types(*holder);
  session.run(
      "update ringcast.claim_lease set lease_until = clock_timestamp() + interval '1 hour'");
  holder.reset();
  write(session, "a", "second");
  EXPECT_THAT(read_types(*other), ElementsAre("a.first", "a.second"));
}

TEST(Lease, OfOnePartitionHoldsUpThatPartitionAlone) {
  TestDatabase database;
  Session session(database.url());
  auto store = status_store(database.url());
  const std::string apart = aggregate_apart_from(session, "a");
  session.run(
      "update ringcast.claim_lease set node = 'other',"
      " lease_until = clock_timestamp() + interval '1 hour'"
      " where part = ringcast.claim_part('t', 'Thing', 'a', null)");
  write(session, "a", "held1");
  write(session, apart, "free");
  write(session, "a", "held2");
  EXPECT_THAT(read_types(*store), ElementsAre("a.free"));
  end_leases(session);
  EXPECT_THAT(read_types(*store), ElementsAre("a.held1", "a.held2"));
}

TEST(Claim, PassesOverNoLockedRowOfAPartition) {
  TestDatabase database;
  Session session(database.url());
  Session locker(database.url());
  auto store = status_store(database.url());
  const std::string apart = aggregate_apart_from(session, "a");
  write(session, "a", "first");
  write(session, "a", "second");
  write(session, apart, "free");
  locker.run("begin");
  locker.run("select from ringcast.outbox where event_type = 'a.first' for update");
  EXPECT_THAT(read_types(*store), ElementsAre("a.free"));
  locker.run("rollback");
  EXPECT_THAT(read_types(*store), ElementsAre("a.first", "a.second"));
}

TEST(Claim, ThatItsDaemonDidNotDeliverIsReadByAllAtItsPosition) {
  TestDatabase database;
  Session session(database.url());
  auto store = status_store(database.url());
  write(session, "a", "first");
  write(session, "b", "second");
  // A daemon that claims and dies.
  session.run(
      "select ringcast.claim_window('dead', (select epoch from ringcast.meta), 1, 1000, 1000)");
  EXPECT_EQ(session.value("select position || status from ringcast.outbox"
                          " where event_type = 'a.first'"),
            fmt::format("{}pending", kOffsetsPerWindow + 1));
  auto window = store->next(OutboxStore::Read::record_on, 10);
  ASSERT_TRUE(window) << window.error().detail;
  ASSERT_EQ(window->rows.size(), 1U);
  EXPECT_EQ(window->rows[0].offset, kOffsetsPerWindow + 1);
  EXPECT_FALSE(window->ours);
  end_leases(session);
  window = store->next(OutboxStore::Read::record_on, 10);
  ASSERT_TRUE(window) << window.error().detail;
  ASSERT_EQ(window->rows.size(), 1U);
  EXPECT_EQ(window->rows[0].offset, 2 * kOffsetsPerWindow + 1);
  EXPECT_TRUE(window->ours);
}

TEST(Claim, UnderAnEpochThatHasEndedTakesNothing) {
  TestDatabase database;
  Session session(database.url());
  auto store = status_store(database.url());
  write(session, "a", "first");
  session.run("update ringcast.meta set epoch = 'another'");
  auto refused = store->next(OutboxStore::Read::record_on, 10);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::unavailable);
  auto state = store->reopen();
  ASSERT_TRUE(state) << state.error().detail;
  EXPECT_EQ(state->epoch, "another");
  EXPECT_THAT(read_types(*store), ElementsAre("a.first"));
}

TEST(Settling, GoesOverManyWindows) {
  TestDatabase database;
  Session session(database.url());
  auto store = status_store(database.url());
  constexpr int kRows = 50;
  for (int i = 0; i < kRows; ++i) write(session, "a", std::to_string(i));
  const auto seen = read_all(*store, 1);
  ASSERT_EQ(seen.size(), std::size_t{kRows});
  ASSERT_TRUE(store->note_delivered(seen[kRows - 2].offset));
  EXPECT_EQ(session.value("select count(*) from ringcast.outbox where status = 'published'"), "49");
  EXPECT_EQ(session.value("select event_type from ringcast.outbox where status = 'pending'"),
            "a.49");
}

TEST(Rows, OfStatusModeAreLeftAloneInWindowMode) {
  TestDatabase database;
  Session session(database.url());
  auto store = opened(database.url());
  session.insert("a");
  const auto seen = read_all(*store);
  ASSERT_TRUE(store->note_delivered(seen.back().offset));
  EXPECT_EQ(session.value("select num_nulls(position, status, reason, error, attempts)"
                          " from ringcast.outbox"),
            "5");
}

TEST(Mode, IsThatOfTheDatabase) {
  TestDatabase database;
  auto store = status_store(database.url());
  PgStore other(settings_for(database.url()));
  const Error error = refusal(other.open(kHour, kMany));
  EXPECT_EQ(error.code, Errc::validation);
  EXPECT_THAT(error.detail, HasSubstr("outbox.mode = \"status\""));
}

TEST(Mode, IsNotChangedByADaemonWhereWindowsWereRecorded) {
  TestDatabase database;
  auto window = opened(database.url());
  Session(database.url()).insert("a");
  read_all(*window);
  StatusStore store(settings_for(database.url()));
  const Error error = refusal(store.open(kHour, kMany));
  EXPECT_EQ(error.code, Errc::validation);
  EXPECT_THAT(error.detail, HasSubstr("set_outbox_mode('status')"));
}

TEST(Mode, OfARunningDaemonThatIsNoLongerRightRecordsNothing) {
  TestDatabase database;
  auto window = opened(database.url());
  auto status = status_store(database.url());
  Session(database.url()).insert("a");
  auto refused = window->next(OutboxStore::Read::record, 10);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::unavailable);
  EXPECT_FALSE(window->reopen());
  EXPECT_THAT(names_of(read_all(*status)), ElementsAre("a"));
}

TEST(Mode, ChangesBothWaysWithoutLosingOrRepeatingARow) {
  TestDatabase database;
  Session owner(database.url());
  {
    auto window = opened(database.url());
    owner.insert("delivered");
    const auto seen = read_all(*window);
    owner.insert("recorded");
    read_all(*window);
    ASSERT_TRUE(window->note_delivered(seen.back().offset));
  }
  const std::string epoch = owner.value("select epoch from ringcast.meta");
  owner.run("select ringcast.set_outbox_mode('status')");
  EXPECT_NE(owner.value("select epoch from ringcast.meta"), epoch);
  {
    auto status = status_store(database.url());
    owner.insert("later");
    const auto seen = read_all(*status, 1);
    EXPECT_THAT(names_of(seen), ElementsAre("recorded", "later"));
    ASSERT_TRUE(status->note_delivered(seen.front().offset));
  }
  owner.run("select ringcast.set_outbox_mode('window')");
  auto window = opened(database.url());
  owner.insert("last");
  EXPECT_THAT(names_of(read_all(*window)), ElementsAre("later", "last"));
  EXPECT_EQ(owner.value("select string_agg(aggregate_id || ' ' || status, ', ' order by id)"
                        " from ringcast.outbox_status"),
            "delivered published, recorded published, later pending, last pending");
  EXPECT_EQ(owner.sqlstate("select ringcast.set_outbox_mode('other')"), "P0001");
}

TEST(Rebase, InStatusModeGivesWhatWasNotDeliveredAgain) {
  TestDatabase database;
  Session owner(database.url());
  auto store = status_store(database.url());
  for (const char* name : {"a", "b"}) owner.insert(name);
  const auto seen = read_all(*store, 1);
  ASSERT_TRUE(store->note_delivered(seen.front().offset));
  owner.run("select ringcast.rebase()");
  owner.insert("c");
  EXPECT_FALSE(store->next(OutboxStore::Read::record_on, 10));
  ASSERT_TRUE(store->reopen());
  EXPECT_THAT(names_of(read_all(*store)), ElementsAre("b", "c"));
}

TEST(StatusRights, OfTheDaemonSuffice) {
  TestDatabase database;
  const std::string role = database.name() + "_role";
  TestDatabase::admin("create role " + role + " login");
  Session owner(database.url());
  owner.run("select ringcast.grant_daemon('" + role + "')");
  {
    StatusStore store(settings_for(with_user(database.url(), role)));
    const Error error = refusal(store.open(kHour, kMany));
    EXPECT_EQ(error.code, Errc::forbidden);
    EXPECT_THAT(error.detail, HasSubstr("set_outbox_mode"));
  }
  owner.run("select ringcast.set_outbox_mode('status')");
  {
    auto store = status_store(with_user(database.url(), role));
    for (const char* name : {"a", "b"}) owner.insert(name);
    const auto seen = read_all(*store);
    EXPECT_THAT(names_of(seen), ElementsAre("a", "b"));
    const FailedRow failed{.id = 2, .event_id = "", .reason = "invalid", .error = "x"};
    EXPECT_TRUE(store->fail(std::span(&failed, 1)));
    EXPECT_TRUE(store->note_delivered(seen.back().offset));
    EXPECT_TRUE(store->backlog());
  }
  EXPECT_EQ(owner.value("select string_agg(status, ' ' order by id) from ringcast.outbox"),
            "published failed");
  owner.run("drop owned by " + role);
  TestDatabase::admin("drop role " + role);
}

}  // namespace
}  // namespace ringcast::pg
