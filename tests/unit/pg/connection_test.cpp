#include "pg/connection.hpp"

#include <gmock/gmock.h>
#include <signal.h>

#include "message/timestamp.hpp"
#include "unit/pg/test_database.hpp"

namespace ringcast::pg {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

Result<Connection> connect_to(const std::string& url) {
  return Connection::open(url, "ringcast test", {});
}

// Stops a backend until the end of the scope: a server that is there and does not answer.
class Standstill final {
 public:
  explicit Standstill(const std::string& pid) : pid_(std::stoi(pid)) {
    EXPECT_EQ(kill(pid_, SIGSTOP), 0);
  }
  ~Standstill() { kill(pid_, SIGCONT); }
  Standstill(const Standstill&) = delete;
  Standstill& operator=(const Standstill&) = delete;

 private:
  pid_t pid_;
};

TEST(Connection, SetsUpItsSessionAsTheWindowReadNeedsIt) {
  TestDatabase database;
  TestDatabase::admin("alter database " + database.name() + " set synchronous_commit = off");
  Session session(database.url());
  const struct {
    const char* name;
    const char* value;
  } settings[] = {{"synchronous_commit", "on"},
                  {"plan_cache_mode", "force_generic_plan"},
                  {"enable_seqscan", "off"},
                  {"jit", "off"},
                  {"lock_timeout", "2s"},
                  {"statement_timeout", "10s"},
                  {"transaction_isolation", "read committed"},
                  {"TimeZone", "UTC"},
                  {"application_name", "ringcast test"}};
  for (const auto& [name, value] : settings)
    EXPECT_EQ(session.value("current_setting('" + std::string(name) + "')"), value) << name;
}

TEST(Connection, ExplainsWhyItIsRefused) {
  TestDatabase database;
  TestDatabase read_only;
  TestDatabase::admin("alter database " + read_only.name() +
                      " set default_transaction_read_only = on");
  const struct {
    std::string url;
    Errc code;
    const char* sentence;
  } cases[] = {
      {"postgresql://user:se%cret@localhost/x", Errc::validation, "is not a PostgreSQL URL"},
      {"nonsense", Errc::validation, "is not a PostgreSQL URL"},
      {with_database(database.url(), "no_such_database"), Errc::not_found, "does not exist"},
      {with_user(database.url(), "no_such_role:secret"), Errc::unauthorized, "pg_hba.conf"},
      {"postgresql://user:secret@127.0.0.1:1/x", Errc::unavailable, "refused"},
      {read_only.url(), Errc::unavailable, "read-only"},
  };
  for (const auto& [url, code, sentence] : cases) {
    auto made = connect_to(url);
    ASSERT_FALSE(made) << url;
    EXPECT_EQ(made.error().code, code) << made.error().detail;
    EXPECT_THAT(made.error().detail, HasSubstr(sentence));
    EXPECT_THAT(made.error().detail, Not(HasSubstr("cret"))) << "the password";
  }
}

TEST(Connection, ThatIsDescribedShowsNoPassword) {
  TestDatabase database;
  const std::size_t at = database.url().find('@');
  Connection connection =
      connected(database.url().substr(0, at) + ":secret" + database.url().substr(at));
  EXPECT_THAT(connection.describe(), HasSubstr(database.name()));
  EXPECT_THAT(connection.describe(), Not(HasSubstr("secret")));
}

TEST(Connection, GoesOnAfterAStatementThatFails) {
  TestDatabase database;
  Connection connection = connected(database.url());
  auto failed = connection.query("select 1 / 0");
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, Errc::validation);
  EXPECT_EQ(connection.last_sqlstate(), "22012");
  auto rows = connection.query("select 1::bigint");
  ASSERT_TRUE(rows);
  EXPECT_EQ(rows->number(0, 0), 1);
  EXPECT_EQ(connection.last_sqlstate(), "");
}

TEST(Connection, GivesUpAServerThatDoesNotAnswer) {
  TestDatabase database;
  auto made = Connection::open(database.url(), "ringcast test",
                               {.connect = Millis{30'000}, .statement = Millis{1'000}});
  ASSERT_TRUE(made);
  auto pid = made->query("select pg_backend_pid()::text");
  ASSERT_TRUE(pid);
  const Standstill standstill(std::string(pid->text(0, 0)));
  auto late = made->query("select 1");
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, Errc::unavailable);
  EXPECT_FALSE(made->usable()) << "what it answers later belongs to no question";
  EXPECT_FALSE(made->query("select 1"));
}

TEST(Connection, IsUnavailableAfterItsBackendWasKilled) {
  TestDatabase database;
  Connection connection = connected(database.url());
  auto pid = connection.query("select pg_backend_pid()::text");
  ASSERT_TRUE(pid);
  Session(database.url())
      .run("select pg_terminate_backend(" + std::string(pid->text(0, 0)) + ", 5000)");
  auto lost = connection.query("select 1");
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().code, Errc::unavailable);
  EXPECT_FALSE(connection.usable());
  EXPECT_FALSE(connection.take_notifications());
}

TEST(Connection, HearsNotificationsThatCameWithAnAnswer) {
  TestDatabase database;
  Connection connection = connected(database.url());
  ASSERT_TRUE(connection.run("listen ear"));
  ASSERT_TRUE(connection.run("notify ear, 'news'"));
  auto heard = connection.take_notifications();
  ASSERT_TRUE(heard);
  ASSERT_EQ(heard->size(), 1U);
  EXPECT_EQ(heard->front().channel, "ear");
  EXPECT_EQ(heard->front().payload, "news");
}

TEST(Connection, CarriesValuesUnchangedInBothDirections) {
  TestDatabase database;
  Connection connection = connected(database.url());
  const std::string bytes("\0\x01'\\\xff\n", 6);
  const std::string_view blobs[] = {bytes, ""};
  const std::string_view texts[] = {"a'b\"c\\d,{}", "", "ü"};
  const std::int64_t numbers[] = {0, -1, std::numeric_limits<std::int64_t>::max(),
                                  std::numeric_limits<std::int64_t>::min()};
  const Uuid uuids[] = {Uuid::random()};
  auto rows = connection.query(
      "select ($1::bytea[])[1], ($1::bytea[])[2], ($2::text[])[1], ($2::text[])[2] is null,"
      " ($3::text[])[2], ($2::text[])[3], ($4::bigint[])[2], ($4::bigint[])[3], ($4::bigint[])[4],"
      " ($5::uuid[])[1], $6::smallint, $7::int, 0.5::float8, true, null::bigint,"
      " cardinality($8::text[])::bigint",
      Params{}
          .add_bytes(blobs)
          .add_texts(texts)
          .add_plain_texts(texts)
          .add_numbers(numbers)
          .add_uuids(uuids)
          .add(-2)
          .add(-70'000)
          .add_texts({}));
  ASSERT_TRUE(rows) << rows.error().detail;
  EXPECT_EQ(rows->text(0, 0), bytes);
  EXPECT_EQ(rows->text(0, 1), "");
  EXPECT_EQ(rows->text(0, 2), texts[0]);
  EXPECT_TRUE(rows->flag(0, 3));
  EXPECT_FALSE(rows->null(0, 4));
  EXPECT_EQ(rows->text(0, 4), "");
  EXPECT_EQ(rows->text(0, 5), "ü");
  EXPECT_EQ(rows->number(0, 6), numbers[1]);
  EXPECT_EQ(rows->number(0, 7), numbers[2]);
  EXPECT_EQ(rows->number(0, 8), numbers[3]);
  EXPECT_EQ(rows->uuid(0, 9), uuids[0]);
  EXPECT_EQ(rows->number(0, 10), -2);
  EXPECT_EQ(rows->number(0, 11), -70'000);
  EXPECT_EQ(rows->real(0, 12), 0.5);
  EXPECT_TRUE(rows->flag(0, 13));
  EXPECT_TRUE(rows->null(0, 14));
  EXPECT_EQ(rows->number(0, 14), 0);
  EXPECT_EQ(rows->number(0, 15), 0);
}

TEST(Connection, ReadsTimestampsOfAllYearsThatRfc3339Knows) {
  TestDatabase database;
  Connection connection = connected(database.url());
  const struct {
    const char* sql;
    const char* text;
  } cases[] = {
      {"2000-01-01 00:00:00Z", "2000-01-01T00:00:00.000000Z"},
      {"1999-12-31 23:59:59.999999Z", "1999-12-31T23:59:59.999999Z"},
      {"0001-01-01 00:00:00Z", "0001-01-01T00:00:00.000000Z"},
      {"9999-12-31 23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"},
      {"0001-12-31 23:59:58 BC", ""},
      {"10000-01-01 00:00:00Z", ""},
      {"infinity", ""},
      {"-infinity", ""},
  };
  for (const auto& [sql, text] : cases) {
    auto rows = connection.query("select $1::timestamptz", Params{}.add(std::string_view(sql)));
    ASSERT_TRUE(rows) << rows.error().detail;
    const auto time = rows->time(0, 0);
    EXPECT_EQ(time ? timestamp(*time) : "", text) << sql;
  }
}

TEST(PgStore, GivesUpADaemonsStatementThatHangsAndGoesOnWhereItWas) {
  TestDatabase database;
  auto settings = settings_for(database.url());
  settings.timeouts.statement = Millis{2'000};
  auto store = opened(std::move(settings));
  Session app(database.url());
  app.insert("a");
  EXPECT_THAT(names_of(read_all(*store)), ElementsAre("a"));
  app.insert("b");
  const Standstill standstill(
      app.value("select pid from pg_stat_activity where application_name = 'ringcast'"
                " and datname = current_database()"));
  auto hung = store->next(OutboxStore::Read::record, 10);
  ASSERT_FALSE(hung);
  EXPECT_EQ(hung.error().code, Errc::unavailable);
  auto state = store->reopen();
  ASSERT_TRUE(state) << state.error().detail;
  EXPECT_THAT(names_of(read_all(*store)), ElementsAre("b"));
}

}  // namespace
}  // namespace ringcast::pg
