#include "pg/epoch.hpp"

#include <gmock/gmock.h>

#include "unit/pg/test_database.hpp"

namespace ringcast::pg {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::chrono::seconds kHour{3'600};
constexpr std::uint64_t kMany = 64ULL << 20;

constexpr Offset at(Offset no, Offset rank) { return no * kOffsetsPerWindow + rank; }

StoreState state_of(Result<StoreState> state) {
  EXPECT_TRUE(state) << state.error().detail;
  return state ? *state : StoreState{};
}

TEST(Epoch, IsTheSameForEveryDaemonAndStart) {
  TestDatabase database;
  PgStore one(settings_for(database.url()));
  PgStore two(settings_for(database.url()));
  const Epoch epoch = state_of(one.open(kHour, kMany)).epoch;
  EXPECT_NE(epoch, "");
  EXPECT_EQ(epoch.find('.'), std::string::npos);
  EXPECT_EQ(state_of(two.open(kHour, kMany)).epoch, epoch);
  EXPECT_EQ(state_of(one.reopen()).epoch, epoch);
}

TEST(Epoch, IsNewInACopyOfTheDatabase) {
  TestDatabase database;
  std::string epoch;
  {
    PgStore store(settings_for(database.url()));
    epoch = state_of(store.open(kHour, kMany)).epoch;
  }
  const std::string copy = database.name() + "_copy";
  TestDatabase::admin("create database " + copy + " template " + database.name());
  {
    PgStore store(settings_for(with_database(database.url(), copy)));
    EXPECT_NE(state_of(store.open(kHour, kMany)).epoch, epoch);
  }
  TestDatabase::admin("drop database " + copy + " with (force)");
}

// What a failover leaves in ringcast.meta: the identity that the old primary had.
TEST(Epoch, IsNewAfterTheTimelineChanged) {
  TestDatabase database;
  PgStore one(settings_for(database.url()));
  PgStore two(settings_for(database.url()));
  const Epoch epoch = state_of(one.open(kHour, kMany)).epoch;
  state_of(two.open(kHour, kMany));
  Session owner(database.url());
  owner.insert("before");
  EXPECT_THAT(names_of(read_all(one)), ElementsAre("before"));
  owner.run("update ringcast.meta set timeline = timeline + 1");
  const StoreState renewed = state_of(one.reopen());
  EXPECT_NE(renewed.epoch, epoch);
  EXPECT_EQ(renewed.floor, at(1, 1));
  EXPECT_EQ(state_of(two.reopen()).epoch, renewed.epoch);
  owner.insert("after");
  EXPECT_THAT(read_all(one), ElementsAre(Seen{at(2, 1), "after"}));
  EXPECT_THAT(names_of(read_all(two)), ElementsAre("before", "after"));
}

TEST(Epoch, IsNewAfterTheLogLostItsEndAndTheOverlapComesAgain) {
  TestDatabase database;
  PgStore one(settings_for(database.url()));
  PgStore two(settings_for(database.url()));
  const Epoch epoch = state_of(one.open(kHour, kMany)).epoch;
  state_of(two.open(kHour, kMany));
  Session owner(database.url());
  for (const char* name : {"a", "b"}) {
    owner.insert(name);
    read_all(one);
    read_all(two);
  }
  owner.run("delete from ringcast.reader_window where no = 2");
  const StoreState renewed = state_of(one.reopen());
  EXPECT_NE(renewed.epoch, epoch);
  EXPECT_THAT(read_all(one), ElementsAre(Seen{at(2, 1), "b"}));
  // The other daemon comes later, to a log that has grown again.
  EXPECT_EQ(state_of(two.reopen()).epoch, renewed.epoch);
  EXPECT_THAT(read_all(two), ElementsAre(Seen{at(2, 1), "b"}));
}

TEST(Epoch, ThatAnotherDaemonHasEndedIsNoticedAtItsFirstWindow) {
  TestDatabase database;
  PgStore one(settings_for(database.url()));
  PgStore two(settings_for(database.url()));
  state_of(one.open(kHour, kMany));
  state_of(two.open(kHour, kMany));
  Session owner(database.url());
  owner.run("update ringcast.meta set timeline = timeline + 1");
  const StoreState renewed = state_of(one.reopen());
  owner.insert("a");
  EXPECT_THAT(names_of(read_all(one)), ElementsAre("a"));
  auto window = two.next(OutboxStore::Read::record, 10);
  ASSERT_FALSE(window);
  EXPECT_EQ(window.error().code, Errc::unavailable);
  EXPECT_EQ(state_of(two.reopen()).epoch, renewed.epoch);
  EXPECT_THAT(names_of(read_all(two)), ElementsAre("a"));
}

TEST(Epoch, IsNewAfterTheDatabaseWasDroppedAndMadeAgain) {
  TestDatabase database;
  PgStore store(settings_for(database.url()));
  const Epoch epoch = state_of(store.open(kHour, kMany)).epoch;
  {
    Session owner(database.url());
    for (const char* name : {"a", "b"}) {
      owner.insert(name);
      read_all(store);
    }
  }
  database.drop();
  EXPECT_FALSE(store.next(OutboxStore::Read::record, 10));
  auto gone = store.reopen();
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().code, Errc::unavailable);
  EXPECT_THAT(gone.error().detail, HasSubstr("does not exist"));
  EXPECT_FALSE(store.next(OutboxStore::Read::record, 10)) << "not connected";
  database.create(TestDatabase::Schema::none);
  const StoreState state = state_of(store.reopen());
  EXPECT_NE(state.epoch, epoch);
  EXPECT_EQ(state.floor, 0U);
  Session owner(database.url());
  owner.insert("new");
  EXPECT_THAT(read_all(store), ElementsAre(Seen{at(1, 1), "new"}));
}

// A dump restored into a cluster that has not come so far: its rows would be read for ever.
TEST(Epoch, TransactionNumbersOfAnotherClusterAreRefusedUntilTheRebase) {
  TestDatabase database;
  Session owner(database.url());
  std::string epoch;
  {
    PgStore store(settings_for(database.url()));
    epoch = state_of(store.open(kHour, kMany)).epoch;
    owner.insert("read");
    EXPECT_THAT(names_of(read_all(store)), ElementsAre("read"));
    ASSERT_TRUE(store.note_delivered(at(1, 1)));
    owner.insert("recorded");
    EXPECT_THAT(names_of(read_all(store)), ElementsAre("recorded"));
    owner.insert("unread");
  }
  owner.run(
      "update ringcast.outbox set xid = (xid::text::bigint + 1000000)::text::xid8;"
      "update ringcast.reader_window set snap_to = (select format('%s:%s:', x, x) from (select"
      " pg_snapshot_xmax(snap_to)::text::bigint + 1000000 as x) s)::pg_snapshot");
  PgStore store(settings_for(database.url()));
  auto refused = store.open(kHour, kMany);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::validation);
  EXPECT_THAT(refused.error().detail, HasSubstr("ringcast.rebase()"));
  owner.run("select ringcast.rebase()");
  EXPECT_NE(state_of(store.open(kHour, kMany)).epoch, epoch);
  EXPECT_THAT(read_all(store), ElementsAre(Seen{at(4, 1), "recorded"}, Seen{at(4, 2), "unread"}));
  owner.insert("later");
  EXPECT_THAT(read_all(store), ElementsAre(Seen{at(5, 1), "later"}));
}

TEST(Epoch, RebaseNeedsATransactionOfItsOwn) {
  TestDatabase database;
  Session owner(database.url());
  owner.run("begin; select pg_current_xact_id()");
  EXPECT_EQ(owner.sqlstate("select ringcast.rebase()"), "P0001");
}

// ---- the replay ---------------------------------------------------------------------------------

TEST(Replay, GivesTheWindowsOfTheHistoryAgainAtTheirPositions) {
  TestDatabase database;
  Session owner(database.url());
  auto writer = opened(database.url());
  for (const char* name : {"a", "b", "c"}) {
    owner.insert(name);
    read_all(*writer);
  }
  owner.run("update ringcast.reader_window set at = at - interval '2 hours' where no = 1");
  PgStore store(settings_for(database.url()));
  const StoreState state = state_of(store.open(kHour, kMany));
  EXPECT_EQ(state.floor, at(1, 1)) << "who has seen window 1 has missed nothing before the replay";
  EXPECT_TRUE(store.replaying());
  EXPECT_THAT(read_all(store), ElementsAre(Seen{at(2, 1), "b"}, Seen{at(3, 1), "c"}));
  EXPECT_FALSE(store.replaying());
}

TEST(Replay, StopsAtTheLimitOfBytes) {
  TestDatabase database;
  Session owner(database.url());
  auto writer = opened(database.url());
  for (int i = 0; i < 4; ++i) {
    owner.insert(std::to_string(i), 100);
    read_all(*writer);
  }
  const struct {
    std::uint64_t bytes_max;
    std::vector<std::string> names;
  } cases[] = {{0, {}},
               {99, {}},
               {100, {"3"}},
               {299, {"2", "3"}},
               {300, {"1", "2", "3"}},
               {400, {"0", "1", "2", "3"}}};
  for (const auto& [bytes_max, names] : cases) {
    PgStore store(settings_for(database.url()));
    state_of(store.open(kHour, bytes_max));
    EXPECT_EQ(store.replaying(), !names.empty());
    EXPECT_EQ(names_of(read_all(store)), names) << bytes_max;
  }
}

TEST(Replay, LeavesOutWindowsOfAnEarlierEpoch) {
  TestDatabase database;
  Session owner(database.url());
  auto writer = opened(database.url());
  owner.insert("a");
  read_all(*writer);
  owner.run("update ringcast.meta set timeline = timeline + 1");
  PgStore store(settings_for(database.url()));
  EXPECT_EQ(state_of(store.open(kHour, kMany)).floor, at(1, 1));
  EXPECT_FALSE(store.replaying());
  EXPECT_THAT(read_all(store), IsEmpty());
}

TEST(Replay, OfAnEmptyLogBeginsAtTheFirstRowEverWritten) {
  TestDatabase database;
  Session owner(database.url());
  owner.insert("a");
  PgStore store(settings_for(database.url()));
  EXPECT_EQ(state_of(store.open(kHour, kMany)).floor, 0U);
  EXPECT_FALSE(store.replaying());
  EXPECT_THAT(read_all(store), ElementsAre(Seen{at(1, 1), "a"}));
}

}  // namespace
}  // namespace ringcast::pg
