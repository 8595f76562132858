#include "pg/window_reader.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <map>
#include <random>
#include <set>
#include <thread>

#include "message/timestamp.hpp"
#include "unit/pg/test_database.hpp"

namespace ringcast::pg {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Lt;
using ::testing::SizeIs;

constexpr Offset at(Offset no, Offset rank) { return no * kOffsetsPerWindow + rank; }

constexpr auto kRecord = OutboxStore::Read::record;
constexpr auto kRecordOn = OutboxStore::Read::record_on;
constexpr auto kRecordedOnly = OutboxStore::Read::recorded_only;

void insert_many(Session& session, int from, int count, std::size_t payload_bytes = 2) {
  session.run(fmt::format(
      "insert into ringcast.outbox (tenant_id, aggregate_type, aggregate_id, event_type,"
      " payload) select 't', 'Thing', g::text, 'kitchen.task.made',"
      " convert_to('{{' || repeat(' ', {}) || '}}', 'UTF8')"
      " from generate_series({}, {}) g",
      payload_bytes - 2, from, from + count - 1));
}

// ---- one reader ---------------------------------------------------------------------------------

TEST(WindowRead, GivesCommittedRowsAtPositionsOfWindowAndRank) {
  TestDatabase database;
  auto store = opened(database.url());
  Session app(database.url());
  EXPECT_THAT(read_all(*store), IsEmpty());
  app.run("begin");
  app.insert("a");
  app.insert("b");
  app.run("commit");
  EXPECT_THAT(read_all(*store), ElementsAre(Seen{at(1, 1), "a"}, Seen{at(1, 2), "b"}));
  app.insert("c");
  EXPECT_THAT(read_all(*store), ElementsAre(Seen{at(2, 1), "c"}));
  EXPECT_THAT(read_all(*store), IsEmpty());
}

TEST(WindowRead, GivesEveryFieldAsItWasWritten) {
  TestDatabase database;
  auto store = opened(database.url());
  Session app(database.url());
  app.run(
      "insert into ringcast.outbox (event_id, kind, version, tenant_id, aggregate_type,"
      " aggregate_id, event_type, room, exclude_user, conflation_key, occurred_at, payload) values"
      " ('01234567-89ab-4cde-8f01-23456789abcd', 0, 3, 'ten', 'Thing', 'ü', 'a.b', 'room:1', 'bob',"
      " 'k', '2026-01-02 03:04:05.678901+02', '\\x7b7d'), (default, 1, 1, null, null, null, 'p',"
      " 'room:2', null, null, 'infinity', '\\x31')");
  auto window = store->next(kRecord, 10);
  ASSERT_TRUE(window) << window.error().detail;
  ASSERT_THAT(window->rows, SizeIs(2));
  const OutboxRow& row = window->rows[0];
  EXPECT_EQ(row.event_id, Uuid::parse("01234567-89ab-4cde-8f01-23456789abcd"));
  EXPECT_EQ(row.kind, OutboxRow::Kind::envelope);
  EXPECT_EQ(row.version, 3);
  EXPECT_EQ(row.tenant_id, "ten");
  EXPECT_EQ(row.aggregate_type, "Thing");
  EXPECT_EQ(row.aggregate_id, "ü");
  EXPECT_EQ(row.event_type, "a.b");
  EXPECT_EQ(row.room, "room:1");
  EXPECT_EQ(row.exclude_user, "bob");
  EXPECT_EQ(row.conflation_key, "k");
  EXPECT_EQ(row.occurred_at, parse_timestamp("2026-01-02T01:04:05.678901Z"));
  EXPECT_EQ(row.payload, "{}");
  EXPECT_EQ(row.payload_bytes, 2U);
  EXPECT_EQ(window->rows[1].kind, OutboxRow::Kind::plain);
  EXPECT_EQ(window->rows[1].exclude_user, "");
  EXPECT_EQ(window->rows[1].occurred_at, std::nullopt) << "RFC 3339 has no digits for it";
}

TEST(WindowRead, FindsARowWhoseTransactionCommitsAfterALaterOne) {
  TestDatabase database;
  auto store = opened(database.url());
  Session slow(database.url());
  Session quick(database.url());
  slow.run("begin");
  slow.insert("slow");
  quick.insert("quick");
  EXPECT_THAT(names_of(read_all(*store)), ElementsAre("quick"));
  EXPECT_THAT(read_all(*store), IsEmpty());
  slow.run("commit");
  EXPECT_THAT(names_of(read_all(*store)), ElementsAre("slow"));
}

TEST(WindowRead, FindsARowThatWasPreparedForTwoPhaseCommit) {
  TestDatabase database;
  auto store = opened(database.url());
  Session app(database.url());
  app.run("begin");
  app.insert("prepared");
  app.run("prepare transaction '" + database.name() + "'");
  Session other(database.url());
  other.insert("other");
  EXPECT_THAT(names_of(read_all(*store)), ElementsAre("other"));
  app.run("commit prepared '" + database.name() + "'");
  EXPECT_THAT(names_of(read_all(*store)), ElementsAre("prepared"));
}

TEST(WindowRead, NeverShowsARowThatWasRolledBack) {
  TestDatabase database;
  auto store = opened(database.url());
  Session app(database.url());
  app.run("begin");
  app.insert("gone");
  app.run("savepoint s");
  app.insert("gone too");
  app.run("rollback to s");
  EXPECT_THAT(read_all(*store), IsEmpty());
  app.run("rollback");
  EXPECT_THAT(read_all(*store), IsEmpty());
  app.run("begin");
  app.run("savepoint s");
  app.insert("gone");
  app.run("rollback to s");
  app.insert("stays");
  app.run("commit");
  EXPECT_THAT(names_of(read_all(*store)), ElementsAre("stays"));
}

TEST(WindowRead, IsNotHeldUpByALongTransactionElsewhere) {
  TestDatabase database;
  auto store = opened(database.url());
  Session lazy(database.url());
  lazy.run("begin; create table public.elsewhere (a int); insert into public.elsewhere values (1)");
  Session app(database.url());
  for (const char* name : {"a", "b", "c"}) {
    app.insert(name);
    EXPECT_THAT(names_of(read_all(*store)), ElementsAre(name));
  }
}

TEST(WindowRead, RecordsTheWindowBeforeItGivesItAway) {
  TestDatabase database;
  auto store = opened(database.url());
  Session app(database.url());
  app.insert("a");
  auto window = store->next(kRecord, 10);
  ASSERT_TRUE(window);
  EXPECT_TRUE(window->ours);
  EXPECT_EQ(app.value("select n || ' ' || bytes from ringcast.reader_window where no = 1"), "1 2");
  EXPECT_EQ(window->top, at(1, 1));
  EXPECT_TRUE(*store->is_recorded(at(1, 1)));
  EXPECT_FALSE(*store->is_recorded(at(1, 2)));
  EXPECT_FALSE(*store->is_recorded(at(2, 1)));
}

TEST(WindowRead, WithRecordedOnlyRecordsNothing) {
  TestDatabase database;
  auto one = opened(database.url());
  auto two = opened(database.url());
  Session app(database.url());
  app.insert("a");
  auto nothing = one->next(kRecordedOnly, 10);
  ASSERT_TRUE(nothing);
  EXPECT_THAT(nothing->rows, IsEmpty());
  EXPECT_EQ(app.value("select count(*) from ringcast.reader_window"), "0");
  EXPECT_THAT(read_all(*two), SizeIs(1));
  auto others = one->next(kRecordedOnly, 10);
  ASSERT_TRUE(others);
  EXPECT_THAT(others->rows, SizeIs(1));
  EXPECT_FALSE(others->ours);
}

// Both sides of the limit: 3 rows fit into one window, the fourth begins the next.
TEST(WindowRead, CutsABacklogIntoWindowsOfTheLimit) {
  for (const int rows : {1, 2, 3, 4, 6, 7}) {
    TestDatabase database;
    auto store = opened(database.url());
    Session app(database.url());
    insert_many(app, 0, rows);
    std::vector<Seen> expected;
    for (int i = 0; i < rows; ++i)
      expected.push_back(
          {at(static_cast<Offset>(i / 3 + 1), static_cast<Offset>(i % 3 + 1)), std::to_string(i)});
    EXPECT_EQ(read_all(*store, 3), expected) << rows;
    insert_many(app, 100, 1);
    EXPECT_THAT(names_of(read_all(*store, 3)), ElementsAre("100")) << rows;
  }
}

TEST(WindowRead, TakesTheLargestWindow) {
  TestDatabase database;
  auto store = opened(database.url());
  Session app(database.url());
  insert_many(app, 0, static_cast<int>(kWindowRowsMax) + 1);
  const auto seen = read_all(*store, kWindowRowsMax);
  ASSERT_THAT(seen, SizeIs(kWindowRowsMax + 1));
  EXPECT_EQ(seen[kWindowRowsMax - 1].offset, at(1, kWindowRowsMax));
  EXPECT_EQ(seen[kWindowRowsMax].offset, at(2, 1));
}

// ---- read ahead ---------------------------------------------------------------------------------

TEST(WindowRead, RecordsNoFurtherWindowUnlessTheCallerComesForIt) {
  TestDatabase database;
  auto store = opened(database.url());
  Session app(database.url());
  insert_many(app, 1, 10);
  ASSERT_TRUE(store->next(kRecord, 2));
  EXPECT_EQ(app.value("select count(*)::text from ringcast.reader_window"), "1");
  ASSERT_TRUE(store->next(kRecordOn, 2));
  EXPECT_GE(std::stoi(app.value("select count(*)::text from ringcast.reader_window")), 3);
}

// Windows of two rows, some of them above a page, and other statements on the connection between.
TEST(WindowRead, ABacklogReadAheadIsTheSameForADaemonThatReadsItLater) {
  TestDatabase database;
  auto store = opened(database.url());
  Session app(database.url());
  app.run("begin");
  insert_many(app, 1, 9);
  for (int i = 10; i < 80; ++i) app.insert(std::to_string(i), 60U << 10);
  insert_many(app, 80, 9);
  app.run("commit");
  std::vector<Seen> seen;
  for (std::uint32_t limit = 2;; limit = limit == 2 ? 35 : 2) {
    auto window = store->next(kRecordOn, limit);
    ASSERT_TRUE(window) << window.error().detail;
    for (const OutboxRow& row : window->rows)
      seen.push_back({row.offset, std::string(row.aggregate_id)});
    if (window->rows.empty() && !window->more) break;
    store->take_ahead();
    ASSERT_TRUE(store->is_recorded(at(1, 1)));
    ASSERT_TRUE(store->backlog());
  }
  std::vector<std::string> all;
  for (int i = 1; i < 89; ++i) all.push_back(std::to_string(i));
  EXPECT_EQ(names_of(seen), all);
  EXPECT_EQ(read_all(*opened(database.url())), seen);
}

TEST(WindowRead, WhatWasReadAheadIsReadAgainOnAnotherConnection) {
  TestDatabase database;
  auto store = opened(database.url());
  Session app(database.url());
  insert_many(app, 1, 20);
  auto first = store->next(kRecordOn, 4);
  ASSERT_TRUE(first);
  ASSERT_THAT(first->rows, SizeIs(4));
  app.run(
      "select pg_terminate_backend(pid, 60000) from pg_stat_activity"
      " where application_name = 'ringcast' and datname = current_database()");
  // What had come before the connection ended may still be handed over.
  std::vector<Seen> seen;
  for (auto window = store->next(kRecordOn, 4); window; window = store->next(kRecordOn, 4)) {
    for (const OutboxRow& row : window->rows)
      seen.push_back({row.offset, std::string(row.aggregate_id)});
    ASSERT_THAT(seen.size(), Lt(16U)) << "the connection was to end";
  }
  ASSERT_TRUE(store->reopen());
  for (const Seen& row : read_all(*store, 4)) seen.push_back(row);
  ASSERT_THAT(seen, SizeIs(16));
  EXPECT_EQ(seen.front(), (Seen{at(2, 1), "5"}));
  EXPECT_EQ(seen.back(), (Seen{at(5, 4), "20"}));
}

// ---- sizes --------------------------------------------------------------------------------------

TEST(WindowRead, LeavesOutPayloadsAboveTheLimitAndTellsTheirSize) {
  TestDatabase database;
  auto store = opened(database.url());
  Session app(database.url());
  const std::size_t limit = 64U << 10;
  const std::map<std::string, std::size_t> sizes = {
      {"a", 2}, {"b", 60U << 10}, {"c", limit}, {"d", limit + 1}, {"e", 10U << 20}};
  for (const auto& [name, bytes] : sizes) app.insert(name, bytes);
  std::size_t rows = 0;
  for (;;) {
    auto window = store->next(kRecord, 100);
    ASSERT_TRUE(window) << window.error().detail;
    if (window->rows.empty() && !window->more) break;
    for (const OutboxRow& row : window->rows) {
      const std::size_t bytes = sizes.at(std::string(row.aggregate_id));
      EXPECT_EQ(row.payload_bytes, bytes) << row.aggregate_id;
      EXPECT_EQ(row.payload.size(), bytes <= limit ? bytes : 0) << row.aggregate_id;
      EXPECT_EQ(row.offset, at(1, ++rows));
    }
  }
  EXPECT_EQ(rows, sizes.size());
}

TEST(WindowRead, LeavesThemOutOfRowsThatTravelWithTheirRecordToo) {
  TestDatabase database;
  auto settings = settings_for(database.url());
  settings.limits.payload_bytes_max = 10;
  auto store = opened(std::move(settings));
  Session app(database.url());
  app.insert("fits", 10);
  app.insert("not", 11);
  auto window = store->next(kRecord, 100);
  ASSERT_TRUE(window);
  ASSERT_THAT(window->rows, SizeIs(2));
  EXPECT_EQ(window->rows[0].payload.size(), 10U);
  EXPECT_EQ(window->rows[1].payload, "");
  EXPECT_EQ(window->rows[1].payload_bytes, 11U);
}

TEST(WindowRead, RecordsRowsAboveTheWindowsBytesWithoutThemAndReadsThemAfterwards) {
  for (const std::size_t bytes : {100, 101}) {
    TestDatabase database;
    auto settings = settings_for(database.url());
    settings.limits.window_bytes_max = 100;
    auto store = opened(std::move(settings));
    Session app(database.url());
    app.insert("a", bytes);
    EXPECT_THAT(read_all(*store), ElementsAre(Seen{at(1, 1), "a"})) << bytes;
  }
}

TEST(WindowRead, GivesAWindowOfManyBytesInPartsThatKeepTheirOffsets) {
  TestDatabase database;
  auto store = opened(database.url());
  Session app(database.url());
  const int rows = 50;  // of 60 KiB, 17 to a MiB: three parts
  insert_many(app, 0, rows, 60U << 10);
  int seen = 0;
  int parts = 0;
  for (;;) {
    auto window = store->next(kRecord, 1'000);
    ASSERT_TRUE(window) << window.error().detail;
    if (window->rows.empty() && !window->more) break;
    std::uint64_t bytes = 0;
    for (const OutboxRow& row : window->rows) {
      EXPECT_EQ(row.aggregate_id, std::to_string(seen));
      EXPECT_EQ(row.offset, at(1, static_cast<Offset>(++seen)));
      bytes += row.payload.size();
    }
    EXPECT_LE(bytes, WindowReader::kPageBytesMax);
    EXPECT_EQ(window->top, window->rows.back().offset);
    EXPECT_EQ(window->more, seen < rows);
    EXPECT_TRUE(window->ours);
    ++parts;
  }
  EXPECT_EQ(seen, rows);
  EXPECT_EQ(parts, 3);
}

// ---- several readers ----------------------------------------------------------------------------

TEST(WindowRead, GivesTwoReadersWithDifferentSnapshotsTheSameRowsAtTheSameOffsets) {
  TestDatabase database;
  auto one = opened(database.url());
  auto two = opened(database.url());
  Session early(database.url());
  Session late(database.url());
  std::vector<Seen> first;
  std::vector<Seen> second;
  const auto append = [](std::vector<Seen>& to, const std::vector<Seen>& more) {
    to.insert(to.end(), more.begin(), more.end());
  };
  for (int round = 0; round < 5; ++round) {
    late.run("begin");
    late.insert(fmt::format("late {}", round));
    early.insert(fmt::format("early {}", round));
    append(round % 2 == 0 ? first : second, read_all(round % 2 == 0 ? *one : *two, 2));
    late.run("commit");
    insert_many(early, round * 10, 5);
    append(second, read_all(*two, 2));
    append(first, read_all(*one, 3));
  }
  append(second, read_all(*two));
  EXPECT_EQ(first, second);
  EXPECT_THAT(first, SizeIs(5 * 7));
}

TEST(WindowRead, DrainsABacklogThatTwoReadersMeetInTurns) {
  TestDatabase database;
  constexpr int kRows = 20'000;
  Session app(database.url());
  insert_many(app, 0, kRows);
  auto one = opened(database.url());
  auto two = opened(database.url());
  std::vector<Offset> offsets[2];
  OutboxStore* const stores[2] = {one.get(), two.get()};
  std::mt19937 random(7);
  bool done[2] = {false, false};
  while (!done[0] || !done[1]) {
    const std::size_t who = random() % 2;
    auto window = stores[who]->next(kRecord, 100 + static_cast<std::uint32_t>(random() % 900));
    ASSERT_TRUE(window) << window.error().detail;
    for (const OutboxRow& row : window->rows) {
      EXPECT_EQ(row.aggregate_id, std::to_string(offsets[who].size()));
      offsets[who].push_back(row.offset);
    }
    done[who] = window->rows.empty() && !window->more;
  }
  EXPECT_THAT(offsets[0], SizeIs(kRows));
  EXPECT_EQ(offsets[0], offsets[1]);
  EXPECT_TRUE(std::is_sorted(offsets[0].begin(), offsets[0].end(), std::less_equal<>()));
}

TEST(WindowRead, WaitsForAReaderThatStandsStillAndGoesOnBehindIt) {
  TestDatabase database;
  auto store = opened(database.url());
  Session app(database.url());
  app.insert("a");
  // What another daemon does between its insert and its commit.
  Session other(database.url());
  other.run(
      "begin; insert into ringcast.reader_window select 'outbox', 1, epoch, '1:1:',"
      " pg_current_snapshot(), 1, 1, 1, 2, false from ringcast.meta");
  auto window = store->next(kRecord, 10);
  ASSERT_TRUE(window) << window.error().detail;
  EXPECT_THAT(window->rows, IsEmpty());
  other.run("rollback");
  EXPECT_THAT(read_all(*store), ElementsAre(Seen{at(1, 1), "a"}));
}

// ---- what may go wrong --------------------------------------------------------------------------

TEST(WindowRead, AnnouncesThatRowsOfARecordedWindowWereDeleted) {
  TestDatabase database;
  auto one = opened(database.url());
  auto two = opened(database.url());
  Session app(database.url());
  insert_many(app, 0, 3);
  EXPECT_THAT(read_all(*one), SizeIs(3));
  app.run("delete from ringcast.outbox where aggregate_id = '1'");
  auto window = two->next(kRecord, 10);
  ASSERT_TRUE(window);
  EXPECT_THAT(window->rows, SizeIs(2));
  EXPECT_TRUE(window->begins_after_gap);
  EXPECT_EQ(window->top, at(1, 3));
}

TEST(WindowRead, AnnouncesARecordedWindowOfWhichNothingIsLeft) {
  TestDatabase database;
  auto one = opened(database.url());
  auto two = opened(database.url());
  Session app(database.url());
  for (int i = 0; i < 2; ++i) {
    insert_many(app, i, 1);
    EXPECT_THAT(read_all(*one), SizeIs(1));
  }
  app.run("delete from ringcast.outbox where id = (select min(id) from ringcast.outbox)");
  auto window = two->next(kRecord, 10);
  ASSERT_TRUE(window);
  EXPECT_THAT(window->rows, IsEmpty());
  EXPECT_TRUE(window->begins_after_gap);
  EXPECT_EQ(window->top, at(1, 1));
  EXPECT_THAT(read_all(*two), SizeIs(1));
}

TEST(WindowRead, AnnouncesThatWindowsWerePrunedBeforeItReadThem) {
  TestDatabase database;
  auto one = opened(database.url());
  auto two = opened(database.url());
  Session app(database.url());
  for (int i = 0; i < 3; ++i) {
    insert_many(app, i, 1);
    EXPECT_THAT(read_all(*one), SizeIs(1));
  }
  app.run("delete from ringcast.reader_window where no <= 2");
  auto window = two->next(kRecord, 10);
  ASSERT_TRUE(window);
  EXPECT_TRUE(window->begins_after_gap);
  EXPECT_EQ(window->top, at(3, 1));
}

TEST(WindowRead, LosesAndRepeatsNothingWhenItsBackendIsKilledAtAnyPoint) {
  TestDatabase database;
  auto store = opened(database.url());
  Session app(database.url());
  std::vector<std::string> expected;
  std::vector<std::string> seen;
  for (int round = 0; round < 12; ++round) {
    insert_many(app, round * 10, 10);
    for (int i = 0; i < 10; ++i) expected.push_back(std::to_string(round * 10 + i));
    for (int calls = 0; calls < round % 4; ++calls) {
      auto window = store->next(kRecord, 4);
      ASSERT_TRUE(window) << window.error().detail;
      for (const OutboxRow& row : window->rows) seen.emplace_back(row.aggregate_id);
    }
    app.run(
        "select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name like "
        "'ringcast%' and application_name <> 'ringcast test' and datname = current_database()");
    auto lost = store->next(kRecord, 4);
    ASSERT_FALSE(lost);
    EXPECT_EQ(lost.error().code, Errc::unavailable);
    auto state = store->reopen();
    ASSERT_TRUE(state) << state.error().detail;
  }
  for (const std::string& name : names_of(read_all(*store))) seen.push_back(name);
  EXPECT_EQ(seen, expected);
}

// The checks that a reader has to pass, here under load: every committed row once, at the same
// offset on both daemons, and those of a key whose writers lock it first in their order.
TEST(WindowRead, LosesNothingAndKeepsTheOrderOfLockedKeysUnderConcurrentWriters) {
  TestDatabase database;
  Session setup(database.url());
  constexpr int kKeys = 5;
  constexpr int kWriters = 4;
  constexpr int kTransactions = 120;
  setup.run(
      "create table public.keys as select k, 0 as last from generate_series(0, 4) k;"
      "create table public.business (a int)");
  auto one = opened(database.url());
  auto two = opened(database.url());

  std::atomic<int> writing{kWriters + 1};
  std::vector<std::jthread> threads;
  for (int writer = 0; writer < kWriters; ++writer) {
    threads.emplace_back([&, writer] {
      Session app(database.url());
      std::mt19937 random(static_cast<unsigned>(writer));
      for (int i = 0; i < kTransactions; ++i) {
        const auto key = random() % kKeys;
        app.run("begin");
        if (random() % 3 == 0) app.run("insert into public.business values (1)");
        const int rows = static_cast<int>(random() % 3) + 1;
        for (int row = 0; row < rows; ++row) {
          const std::string number = app.value(
              fmt::format("select last + 1 from public.keys where k = {} for update", key));
          app.run(fmt::format("update public.keys set last = {} where k = {}", number, key));
          app.insert(fmt::format("{}:{}", key, number));
        }
        app.run(random() % 6 == 0 ? "rollback" : "commit");
      }
      --writing;
    });
  }
  threads.emplace_back([&] {
    Session lazy(database.url());
    int row = 0;
    while (writing > 1) {
      lazy.run("begin");
      lazy.insert(fmt::format("lazy:{}", ++row));
      // As long as thirty transactions of the others, whatever the machine's speed.
      const std::string now = lazy.value("select pg_current_xact_id()");
      const int others = writing;
      for (int look = 0; look < 1'000 && writing == others; ++look)
        if (std::stoll(lazy.value("select pg_snapshot_xmax(pg_current_snapshot())")) >
            std::stoll(now) + 30)
          break;
      lazy.run("commit");
    }
    --writing;
  });
  std::vector<Seen> seen[2];
  std::jthread reader_one([&] {
    while (writing > 0) std::ranges::copy(read_all(*one, 20), std::back_inserter(seen[0]));
    std::ranges::copy(read_all(*one, 20), std::back_inserter(seen[0]));
  });
  std::jthread reader_two([&] {
    while (writing > 0) std::ranges::copy(read_all(*two, 500), std::back_inserter(seen[1]));
    std::ranges::copy(read_all(*two, 500), std::back_inserter(seen[1]));
  });
  threads.clear();
  reader_one.join();
  reader_two.join();

  EXPECT_EQ(seen[0], seen[1]);
  EXPECT_EQ(std::to_string(seen[0].size()), setup.value("select count(*) from ringcast.outbox"));
  std::map<std::string, int> last;
  for (const Seen& row : seen[0]) {
    const std::size_t colon = row.name.find(':');
    const int number = std::stoi(row.name.substr(colon + 1));
    int& before = last[row.name.substr(0, colon)];
    EXPECT_EQ(number, before + 1) << row.name;
    before = number;
  }
}

// ---- that the checks above can fail -------------------------------------------------------------

// A reader that remembers the highest id, the mistake that this design exists for.
TEST(WindowReadMutant, ACursorOfIdsLosesTheRowThatCommitsLate) {
  TestDatabase database;
  Session slow(database.url());
  Session quick(database.url());
  Session reader(database.url());
  std::set<std::string> seen;
  std::string last = "0";
  const auto read = [&] {
    auto rows = reader.connection().query(
        "select id::text, aggregate_id from ringcast.outbox where id > $1::bigint order by id",
        Params{}.add(last));
    for (std::size_t i = 0; i < rows->size(); ++i) {
      last = std::string(rows->text(i, 0));
      seen.emplace(rows->text(i, 1));
    }
  };
  slow.run("begin");
  slow.insert("slow");
  quick.insert("quick");
  read();
  slow.run("commit");
  read();
  EXPECT_EQ(seen, std::set<std::string>{"quick"}) << "the scenario no longer tells the two apart";
}

// A daemon that records two windows of its backlog by one statement: the first is another's, made
// with an older snapshot, and the row between the two is in neither.
TEST(WindowReadMutant, SeveralWindowsByOneStatementLoseTheRowBetweenTwoSnapshots) {
  TestDatabase database;
  auto store = opened(database.url());
  Session late(database.url());
  Session app(database.url());
  app.insert("1");
  late.run("begin");
  late.insert("2");
  app.insert("3");
  const auto first = read_all(*store, 10);  // window 1: rows 1 and 3
  late.run("commit");
  app.insert("4");
  // The mutant still stands at the beginning and cuts what it sees, 1 2 3 4, into two windows.
  app.run(
      "with d as (select id, row_number() over (order by id) as place from ringcast.outbox)"
      "insert into ringcast.reader_window"
      " select 'outbox', 1 + (place - 1) / 3, (select epoch from ringcast.meta), '1:1:',"
      " pg_current_snapshot(), min(id), max(id), count(*), 6, (place - 1) / 3 = 0"
      " from d group by (place - 1) / 3 on conflict do nothing");
  auto all = names_of(first);
  for (const std::string& name : names_of(read_all(*store, 10))) all.push_back(name);
  EXPECT_THAT(all, ElementsAre("1", "3", "4")) << "the scenario no longer tells the two apart";
}

}  // namespace
}  // namespace ringcast::pg
