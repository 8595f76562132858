#include "pg/leaves.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "unit/pg/test_database.hpp"

namespace ringcast::pg {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;

std::string leaf_of(Session& session, std::string_view name) {
  return session.value(fmt::format(
      "select tableoid::regclass from ringcast.outbox where aggregate_id = '{}'", name));
}

TEST(Leaves, AreMadeForTodayAndFourteenDaysAhead) {
  TestDatabase database;
  Session owner(database.url());
  EXPECT_EQ(owner.value("select count(*) from pg_inherits where inhparent = "
                        "'ringcast.outbox'::regclass"),
            "16");  // and DEFAULT
  owner.run(
      "do $$ begin execute 'drop table ringcast.outbox_' || to_char((now() at time zone "
      "'UTC')::date + 14, 'YYYYMMDD'); end $$");
  Connection connection = connected(database.url());
  ASSERT_TRUE(Leaves::make_ahead(connection));
  EXPECT_EQ(owner.value("select count(*) from pg_inherits where inhparent = "
                        "'ringcast.outbox'::regclass"),
            "16");
}

TEST(Leaves, AreNotMadeForThePastNorFarAhead) {
  TestDatabase database;
  Session owner(database.url());
  const struct {
    int days;
    const char* sqlstate;
  } cases[] = {{-1, "P0001"}, {0, "success"}, {60, "success"}, {61, "P0001"}};
  for (const auto& [days, sqlstate] : cases)
    EXPECT_EQ(owner.sqlstate(fmt::format(
                  "select ringcast.make_leaf((now() at time zone 'UTC')::date + {})", days)),
              sqlstate)
        << days;
}

TEST(Leaves, NameOnlyWhatMayHoldNewRows) {
  TestDatabase database;
  Session owner(database.url());
  Connection connection = connected(database.url());
  Leaves leaves;
  ASSERT_TRUE(leaves.refresh(connection));
  const std::string today =
      owner.value("'ringcast.outbox_' || to_char(now() at time zone 'UTC', 'YYYYMMDD')");
  const std::string in_two_days = owner.value(
      "'ringcast.outbox_' || to_char(now() at time zone 'UTC' + interval '2 days', 'YYYYMMDD')");
  EXPECT_THAT(leaves.open(), Contains("ringcast.outbox_default"));
  EXPECT_THAT(leaves.open(), Contains(today));
  EXPECT_THAT(leaves.open(), Not(Contains(in_two_days)));
  auto again = leaves.refresh(connection);
  ASSERT_TRUE(again);
  EXPECT_FALSE(*again) << "nothing has changed";
}

TEST(Leaves, AreClosedOnceEveryTransactionOfTheirDayHasEndedAndWasRead) {
  TestDatabase database;
  Session owner(database.url());
  // Not yesterday: that one has not ended until ten minutes after midnight.
  const std::string ended = make_leaf(owner, -2);
  Session writer(database.url());
  writer.run("begin");
  const Xid open = std::stoull(writer.value("select pg_current_xact_id()"));
  Connection connection = connected(database.url());
  Leaves leaves;
  ASSERT_TRUE(leaves.refresh(connection));
  EXPECT_THAT(leaves.open(), Contains(ended));
  EXPECT_FALSE(leaves.caught_up(fmt::format("{0}:{0}:", open)));
  EXPECT_FALSE(leaves.caught_up(fmt::format("{0}:{0}:", open + 1)));
  EXPECT_TRUE(leaves.caught_up(fmt::format("{0}:{0}:", open + 2)));  // the look's own number: +1
  EXPECT_THAT(leaves.open(), Not(Contains(ended)));
  auto changed = leaves.refresh(connection);
  ASSERT_TRUE(changed);
  EXPECT_FALSE(*changed) << "what is closed stays closed";
}

TEST(Leaves, SurviveASnapshotThatIsNone) {
  Leaves leaves;
  EXPECT_FALSE(leaves.caught_up("nonsense"));
}

// Two transactions are open at the end of a day, and the one with the lower number ends first: a
// snapshot of that moment has an xmax below the other.
TEST(WindowRead, FindsARowOfYesterdaysLeafWhoseTransactionWasOpenWithoutBeingInAnySnapshot) {
  TestDatabase database;
  Session owner(database.url());
  make_leaf(owner, -1);
  opened(database.url());  // so that no later transaction but those of this test ends
  Session first(database.url());
  Session second(database.url());
  first.run("begin; select pg_current_xact_id()");
  second.run("begin");
  insert_on_day(second, "second", -1);
  auto store = opened(database.url());
  EXPECT_THAT(read_all(*store), IsEmpty());
  first.run("commit");
  EXPECT_THAT(read_all(*store), IsEmpty());
  owner.insert("today");
  EXPECT_THAT(names_of(read_all(*store)), ElementsAre("today"));
  second.run("commit");
  EXPECT_THAT(names_of(read_all(*store)), ElementsAre("second"));
}

TEST(WindowRead, GoesOnAfterYesterdaysLeafWasClosed) {
  TestDatabase database;
  Session owner(database.url());
  make_leaf(owner, -1);
  insert_on_day(owner, "old", -1);
  auto store = opened(database.url());
  EXPECT_THAT(names_of(read_all(*store)), ElementsAre("old"));
  for (const char* name : {"a", "b", "c"}) {
    owner.insert(name);
    EXPECT_THAT(names_of(read_all(*store)), ElementsAre(name));
  }
}

TEST(WindowRead, ReadsRowsOfADayWithoutALeaf) {
  TestDatabase database;
  auto store = opened(database.url());
  Session owner(database.url());
  insert_on_day(owner, "far", 40);
  EXPECT_EQ(leaf_of(owner, "far"), "ringcast.outbox_default");
  EXPECT_THAT(names_of(read_all(*store)), ElementsAre("far"));
}

// The set of leaves changes under a reader that knows the old one: a row in the new leaf, and the
// next window would end behind it.
TEST(WindowRead, NoticesALeafThatWasMadeAfterItLooked) {
  TestDatabase database;
  Session owner(database.url());
  owner.run(
      "do $$ begin execute 'drop table ringcast.outbox_' || to_char(now() at time zone 'UTC', "
      "'YYYYMMDD'); end $$");
  auto settings = settings_for(database.url());
  settings.migrate = StoreConfig::Migrate::off;
  auto store = std::make_unique<PgStore>(std::move(settings));
  ASSERT_TRUE(store->open(std::chrono::seconds{60}, 1'000));
  owner.run(
      "do $$ begin execute 'drop table ringcast.outbox_' || to_char(now() at time zone 'UTC', "
      "'YYYYMMDD'); end $$");
  owner.insert("in default");
  EXPECT_EQ(leaf_of(owner, "in default"), "ringcast.outbox_default");
  EXPECT_THAT(names_of(read_all(*store)), ElementsAre("in default"));
  owner.run("delete from ringcast.outbox");
  make_leaf(owner, 0);
  owner.insert("in the new leaf");
  EXPECT_NE(leaf_of(owner, "in the new leaf"), "ringcast.outbox_default");
  insert_on_day(owner, "in default", 40);
  EXPECT_THAT(names_of(read_all(*store)), ElementsAre("in the new leaf", "in default"));
}

// A reader that stood still over the change of day: its statements name yesterday's leaves only.
TEST(WindowRead, RecordsNothingWithAStatementWhoseDayIsOver) {
  TestDatabase database;
  Connection connection = connected(database.url());
  Session app(database.url());
  app.insert("a");
  Leaves leaves;
  ASSERT_TRUE(leaves.refresh(connection));
  const WindowSql sql = window_sql(leaves.open(), 1);
  const struct {
    const char* until;
    const char* sum;
    bool recorded;
  } cases[] = {{"-infinity", leaves.inheritance_sum().c_str(), false},
               {leaves.until().c_str(), "1", false},
               {leaves.until().c_str(), leaves.inheritance_sum().c_str(), true}};
  std::int64_t no = 0;
  for (const auto& [until, sum, recorded] : cases) {
    Params params;
    params.add(kSource).add(++no).add("e").add("1:1:").add(10).add(1'000).add(1'000);
    auto rows = connection.execute(sql.record_new, params.add(until).add(sum));
    ASSERT_TRUE(rows) << rows.error().detail;
    EXPECT_EQ(!rows->null(0, 0), recorded) << until;
    EXPECT_EQ(rows->flag(0, 4), recorded) << until;
    Params backlog;
    backlog.add(kSource).add(++no).add("e").add("1:1:").add(rows->text(0, 1)).add(0).add(10);
    auto record = connection.execute(sql.record_backlog, backlog.add(until).add(sum));
    ASSERT_TRUE(record) << record.error().detail;
    EXPECT_EQ(!record->empty(), recorded) << until;
  }
}

TEST(WindowRead, UsesIndexesOnly) {
  TestDatabase database;
  Session owner(database.url());
  for (int i = 0; i < 50; ++i) owner.insert("x");
  owner.run("analyze ringcast.outbox");
  Connection connection = connected(database.url());
  WindowReader reader({});
  auto scan = reader.whole_leaf_scan(connection);
  ASSERT_TRUE(scan) << scan.error().detail;
  EXPECT_EQ(*scan, std::nullopt);
  owner.run("drop index ringcast.outbox_default_id; drop index ringcast.outbox_xid_id");
  WindowReader another({});
  auto without = another.whole_leaf_scan(connection);
  ASSERT_TRUE(without) << without.error().detail;
  EXPECT_NE(*without, std::nullopt);
}

}  // namespace
}  // namespace ringcast::pg
