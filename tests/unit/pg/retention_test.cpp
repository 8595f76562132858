#include "pg/retention.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <map>
#include <thread>

#include "pg/status_store.hpp"
#include "unit/pg/test_database.hpp"

namespace ringcast::pg {
namespace {

using ::testing::ElementsAre;

// In window mode and in status mode.
class PgRetention : public testing::TestWithParam<OutboxMode> {
 protected:
  PgRetention()
      : folder_(std::filesystem::temp_directory_path() / Uuid::random().text()),
        owner_(database_.url()) {
    std::filesystem::create_directory(folder_);
    if (GetParam() == OutboxMode::status) owner_.run("select ringcast.set_outbox_mode('status')");
  }
  ~PgRetention() override {
    std::error_code error;
    std::filesystem::remove_all(folder_, error);
  }

  // A store that has delivered all there is.
  std::unique_ptr<PgStore> delivered(const std::string& folder) {
    auto settings = settings_for(database_.url());
    settings.archive_folder = folder;
    auto store = GetParam() == OutboxMode::status ? std::make_unique<StatusStore>(settings)
                                                  : std::make_unique<PgStore>(settings);
    const auto state = store->open(std::chrono::hours{1}, 64ULL << 20);
    EXPECT_TRUE(state) << state.error().detail;
    const auto seen = read_all(*store);
    if (!seen.empty()) {
      EXPECT_TRUE(store->note_delivered(seen.back().offset));
    }
    return store;
  }
  static void retire_all(PgStore& store) {
    Result<bool> more = true;
    while (more && *more) more = store.retire();
    EXPECT_TRUE(more) << more.error().detail;
  }
  std::string tables(const std::string& pattern) {
    return owner_.value("select count(*) from pg_class where relkind = 'r' and relname ~ '" +
                        pattern + "'");
  }
  // How often each id stands in the archive.
  std::map<std::string, int> archived() {
    std::map<std::string, int> counts;
    for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
      std::ifstream file(entry.path());
      for (std::string line; std::getline(file, line);) ++counts[line.substr(0, line.find(','))];
    }
    return counts;
  }
  void fill(int days, int rows) {
    make_leaf(owner_, days);
    owner_.run(fmt::format(
        "insert into ringcast.outbox (tenant_id, aggregate_type, aggregate_id, event_type, payload,"
        " created_at) select 't', 'Thing', i::text, 'a.b', '{{}}', now() + interval '{} days'"
        " from generate_series(1, {}) i",
        days, rows));
  }

  std::filesystem::path folder_;
  TestDatabase database_;
  Session owner_;
};

TEST_P(PgRetention, TakesDaysThatAreOlderThanItsDays) {
  const std::string stays = make_leaf(owner_, -7);
  const std::string goes = make_leaf(owner_, -8);
  auto store = delivered("");
  retire_all(*store);
  EXPECT_EQ(owner_.value("select to_regclass('" + stays + "') is null"), "false");
  EXPECT_EQ(owner_.value("select to_regclass('" + goes + "') is null"), "true");
}

TEST_P(PgRetention, ALeafThatATransactionHasWrittenToStaysUntilItsRowsWereDelivered) {
  const std::string leaf = make_leaf(owner_, -9);
  Session writer(database_.url());
  writer.run("begin");
  insert_on_day(writer, "late", -9);
  auto store = delivered("");
  retire_all(*store);
  EXPECT_EQ(tables("^outbox_20[0-9]{6}$"), "16") << "an open transaction";
  owner_.insert("another");  // nobody waits for the try that failed
  auto seen = read_all(*store);
  ASSERT_THAT(names_of(seen), ElementsAre("another"));
  ASSERT_TRUE(store->note_delivered(seen.back().offset));
  writer.run("commit");
  retire_all(*store);
  EXPECT_EQ(tables("^outbox_20[0-9]{6}$"), "16") << "not delivered, though a later one was";
  seen = read_all(*store);
  ASSERT_THAT(names_of(seen), ElementsAre("late"));
  ASSERT_TRUE(store->note_delivered(seen.back().offset));
  retire_all(*store);
  EXPECT_EQ(owner_.value("select to_regclass('" + leaf + "') is null"), "true");
}

TEST_P(PgRetention, ATransactionThatStaysOpenElsewhereOnTheOutboxDelaysItOnly) {
  make_leaf(owner_, -9);
  auto store = delivered("");
  Session writer(database_.url());
  writer.run("begin");
  writer.insert("open");
  retire_all(*store);
  EXPECT_EQ(tables("^outbox_20[0-9]{6}$"), "16");
  writer.run("commit");
  retire_all(*store);
  EXPECT_EQ(tables("^outbox_20[0-9]{6}$"), "15");
  EXPECT_THAT(names_of(read_all(*store)), ElementsAre("open"));
}

TEST_P(PgRetention, ReadingGoesOnWhileLeavesLeave) {
  make_leaf(owner_, -9);
  make_leaf(owner_, -10);
  auto store = delivered("");
  for (const char* name : {"a", "b", "c"}) {
    owner_.insert(name);
    ASSERT_TRUE(store->retire());
    EXPECT_THAT(names_of(read_all(*store)), ElementsAre(name));
  }
  EXPECT_EQ(tables("^outbox_20[0-9]{6}$"), "15");
}

TEST_P(PgRetention, AnInterruptedArchiveIsFinishedByTheNextDaemon) {
  fill(-9, 1'200);
  {
    auto store = delivered(folder_.string());
    for (int step = 0; step < 3; ++step) ASSERT_TRUE(store->retire());  // out, open, a page
  }
  EXPECT_EQ(tables("^outbox_retired_"), "1");
  EXPECT_EQ(archived().size(), 500U);
  // The server frees the lock of a session a moment after its end.
  while (owner_.value("select count(*) from pg_locks l join pg_database d on d.oid = l.database"
                      " where l.locktype = 'advisory' and d.datname = current_database()") != "0")
    std::this_thread::yield();
  retire_all(*delivered(""));
  EXPECT_EQ(tables("^outbox_retired_"), "1") << "a daemon without an archive leaves it alone";
  retire_all(*delivered(folder_.string()));
  EXPECT_EQ(tables("^outbox_retired_"), "0");
  EXPECT_EQ(archived().size(), 1'200U) << "at least once each";
}

TEST_P(PgRetention, ALargeRowIsAPageOfItsOwn) {
  make_leaf(owner_, -9);
  for (int i = 0; i < 3; ++i)
    owner_.run(
        "insert into ringcast.outbox (kind, room, event_type, payload, created_at) values (1, 'r',"
        " 'a', convert_to(repeat(' ', 2000000), 'UTF8'), now() - interval '9 days')");
  Connection connection = connected(database_.url());
  auto leaves = old_leaves(connection, owner_.value("now()::date - 1"));
  ASSERT_TRUE(leaves);
  ASSERT_EQ(leaves->size(), 1U);
  std::int64_t last = 0;
  for (int i = 0; i < 3; ++i) {
    auto page = read_leaf_page(connection, leaves->front(), last);
    ASSERT_TRUE(page) << page.error().detail;
    EXPECT_EQ(page->rows, 1U);
    EXPECT_GT(page->last_id, last);
    last = page->last_id;
  }
  EXPECT_EQ(read_leaf_page(connection, leaves->front(), last)->rows, 0U);
}

TEST_P(PgRetention, OfSeveralDaemonsArchivesEachRowOnce) {
  fill(-9, 700);
  fill(-10, 700);
  std::array<std::unique_ptr<PgStore>, 3> stores;
  for (auto& store : stores) store = delivered(folder_.string());
  {
    std::vector<std::jthread> daemons;
    for (auto& store : stores)
      daemons.emplace_back([&store] {
        for (int step = 0; step < 30; ++step) EXPECT_TRUE(store->retire());
      });
  }
  for (auto& store : stores) retire_all(*store);
  EXPECT_EQ(tables("^outbox_retired_"), "0");
  EXPECT_EQ(archived().size(), 1'400U);
  for (const auto& [id, count] : archived()) EXPECT_EQ(count, 1) << id;
}

// It looks while everybody waits for its locks. In the daemon's sessions, whose settings make plans
// prefer indexes, and in those of whoever else calls it.
TEST_P(PgRetention, TheLookAtALeafDoesNotReadAllOfIt) {
  fill(-9, 5'000);
  auto store = delivered("");
  const std::string leaf =
      owner_.value("'outbox_' || to_char((now() at time zone 'UTC')::date - 9, 'YYYYMMDD')");
  for (const char* statistics : {"select 1", "analyze ringcast.outbox"}) {
    owner_.run(statistics);
    for (const char* settings : {"select 1", "reset all"}) {
      Session looks(database_.url());
      looks.run(settings);
      looks.run("begin");
      EXPECT_EQ(looks.value("ringcast.why_leaf_stays('" + leaf + "') is null"), "true");
      EXPECT_EQ(looks.value("select seq_scan || ' ' || (idx_tup_fetch < 100)"
                            " from pg_stat_xact_user_tables where relname = '" +
                            leaf + "'"),
                "0 true")
          << statistics << "; " << settings;
    }
  }
}

TEST_P(PgRetention, TheFunctionTakesNoDayThatIsNotOver) {
  for (const char* day :
       {"null", "(now() at time zone 'UTC')::date", "(now() at time zone 'UTC')::date + 1"})
    EXPECT_EQ(owner_.sqlstate(fmt::format("select ringcast.retire_leaf({}, false)", day)), "P0001")
        << day;
  EXPECT_EQ(owner_.value("ringcast.retire_leaf('2001-01-01', false)"), "it is not there");
}

// The snapshot of the last window that was delivered sees these rows, so it alone would let them
// go.
TEST(PgStatusRetention, ALeafStaysWhileARowOfItIsNotClaimedOrNotDelivered) {
  TestDatabase database;
  Session owner(database.url());
  StatusStore store(settings_for(database.url()));
  ASSERT_TRUE(store.open(std::chrono::hours{1}, 64ULL << 20));
  const std::string leaf = make_leaf(owner, -9).substr(std::string("ringcast.").size());
  const std::string why_it_stays = "coalesce(ringcast.why_leaf_stays('" + leaf + "'), 'it goes')";
  const std::string free_one = owner.value(
      "select 'x' || i from generate_series(1, 1000) i where"
      " ringcast.claim_part('t', 'Thing', 'x' || i, null)"
      " <> ringcast.claim_part('t', 'Thing', 'held', null) limit 1");
  insert_on_day(owner, "held", -9);
  owner.run(
      "update ringcast.claim_lease set node = 'other', lease_until = 'infinity'"
      " where part = ringcast.claim_part('t', 'Thing', 'held', null)");
  owner.insert(free_one);
  const auto first = read_all(store);
  ASSERT_THAT(names_of(first), ElementsAre(free_one));
  ASSERT_TRUE(store.note_delivered(first.back().offset));
  EXPECT_EQ(owner.value(why_it_stays), "rows of it were not delivered") << "not claimed";
  owner.run("update ringcast.claim_lease set lease_until = '-infinity'");
  const auto second = read_all(store);
  ASSERT_THAT(names_of(second), ElementsAre("held"));
  EXPECT_EQ(owner.value(why_it_stays), "rows of it were not delivered") << "claimed";
  ASSERT_TRUE(store.note_delivered(second.back().offset));
  EXPECT_EQ(owner.value(why_it_stays), "it goes");
}

std::string mode_name(const testing::TestParamInfo<OutboxMode>& info) {
  return info.param == OutboxMode::status ? "Status" : "Window";
}

INSTANTIATE_TEST_SUITE_P(Pg, PgRetention, testing::Values(OutboxMode::window, OutboxMode::status),
                         mode_name);

}  // namespace
}  // namespace ringcast::pg
