#include "pg/migration.hpp"

#include <gmock/gmock.h>

#include <array>
#include <thread>

#include "unit/pg/test_database.hpp"

namespace ringcast::pg {
namespace {

using ::testing::HasSubstr;

using Mode = StoreConfig::Migrate;

constexpr auto kNone = TestDatabase::Schema::none;

TEST(Migration, MakesTheSchemaOnceAndRemembersEachVersion) {
  TestDatabase database(kNone);
  Connection connection = connected(database.url());
  for (int round = 0; round < 2; ++round) {
    auto done = migrate(connection, Mode::apply);
    ASSERT_TRUE(done) << done.error().detail;
  }
  Session owner(database.url());
  EXPECT_EQ(owner.value("select count(*) from ringcast.schema_migration"),
            std::to_string(schema_versions().size()));
  EXPECT_TRUE(migrate(connection, Mode::check));
}

TEST(Migration, WithCheckNamesTheMissingVersionAndChangesNothing) {
  TestDatabase database(kNone);
  Connection connection = connected(database.url());
  auto missing = migrate(connection, Mode::check);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, Errc::validation);
  EXPECT_THAT(missing.error().detail, HasSubstr("version 1"));
  Session owner(database.url());
  EXPECT_EQ(owner.value("select to_regnamespace('ringcast') is null"), "true");
}

TEST(Migration, WithOffLooksAtNothing) {
  TestDatabase database(kNone);
  Connection connection = connected(database.url());
  EXPECT_TRUE(migrate(connection, Mode::off));
}

TEST(Migration, RefusesANewerSchema) {
  TestDatabase database;
  Session(database.url())
      .run("insert into ringcast.schema_migration (version, name, checksum) values (99, 'x', '')");
  Connection connection = connected(database.url());
  for (const Mode mode : {Mode::apply, Mode::check}) {
    auto refused = migrate(connection, mode);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::validation);
    EXPECT_THAT(refused.error().detail, HasSubstr("version 99"));
  }
}

TEST(Migration, RefusesAVersionThatWasMadeFromAnotherText) {
  TestDatabase database;
  Session(database.url())
      .run("update ringcast.schema_migration set checksum = 'x' where version = 2");
  Connection connection = connected(database.url());
  auto refused = migrate(connection, Mode::apply);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::validation);
  EXPECT_THAT(refused.error().detail, HasSubstr("version 2"));
}

TEST(Migration, LeavesNothingOfAVersionThatFails) {
  TestDatabase database;
  Connection connection = connected(database.url());
  std::vector<SchemaVersion> versions(schema_versions().begin(), schema_versions().end());
  const int next = versions.back().version + 1;
  versions.push_back({next, "broken", "create table ringcast.half (a int); select 1 / 0"});
  auto failed = migrate(connection, Mode::apply, versions);
  ASSERT_FALSE(failed);
  Session owner(database.url());
  EXPECT_EQ(owner.value("select to_regclass('ringcast.half') is null"), "true");
  versions.back() = {next, "mended", "create table ringcast.half (a int)"};
  EXPECT_TRUE(migrate(connection, Mode::apply, versions));
}

TEST(Migration, OfTheRowLimitsKeepsRowsThatBreakThemAndHoldsInEveryLeaf) {
  TestDatabase database(kNone);
  Connection connection = connected(database.url());
  ASSERT_TRUE(migrate(connection, Mode::apply, schema_versions().first(2)));
  Session owner(database.url());
  const std::string broken(256, 'a');
  owner.insert(broken);
  owner.run(
      "insert into ringcast.outbox (created_at, kind, event_type, room, exclude_user, payload)"
      " values ('2001-01-01Z', 1, 'a', 'r', 'a b', '1')");
  auto done = migrate(connection, Mode::apply);
  ASSERT_TRUE(done) << done.error().detail;
  EXPECT_EQ(owner.value("select count(*) from ringcast.outbox"), "2");
  EXPECT_EQ(
      owner.sqlstate("insert into ringcast.outbox (created_at, kind, event_type, room,"
                     " exclude_user, payload) values ('2001-01-01Z', 1, 'a', 'r', 'a b', '1')"),
      "23514")
      << "the DEFAULT leaf";
  owner.run("select ringcast.make_leaf((clock_timestamp() at time zone 'UTC')::date + 20)");
  for (const char* days : {"0", "14", "20"})
    EXPECT_EQ(
        owner.sqlstate(std::string("insert into ringcast.outbox (created_at, kind, event_type,"
                                   " room, conflation_key, payload) values (clock_timestamp() + "
                                   "interval '") +
                       days + " days', 1, 'a', 'r', repeat('k', 256), '1')"),
        "23514")
        << days;
}

TEST(Migration, OfSeveralDaemonsAtOnceRunsOnce) {
  TestDatabase database(kNone);
  std::array<std::string, 4> failures;
  {
    std::vector<std::jthread> daemons;
    for (std::string& failure : failures)
      daemons.emplace_back([&] {
        Connection connection = connected(database.url());
        if (auto done = migrate(connection, Mode::apply); !done) failure = done.error().detail;
      });
  }
  EXPECT_THAT(failures, testing::Each(""));
}

TEST(Migration, TellsARoleWithoutRightsWhatToDo) {
  TestDatabase database(kNone);
  const std::string role = database.name() + "_role";
  TestDatabase::admin("create role " + role + " login");
  {
    Connection connection = connected(with_user(database.url(), role));
    auto refused = migrate(connection, Mode::apply);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::forbidden);
    EXPECT_THAT(refused.error().detail, HasSubstr("grant_daemon"));
  }
  TestDatabase::admin("drop role " + role);
}

}  // namespace
}  // namespace ringcast::pg
