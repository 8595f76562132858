#include <fmt/format.h>
#include <gmock/gmock.h>

#include "message/timestamp.hpp"
#include "unit/pg/test_database.hpp"

namespace ringcast::pg {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A role that ends with the test. The database's objects must be gone first.
class Role final {
 public:
  explicit Role(const TestDatabase& database)
      : database_(database), name_(database.name() + "_role") {
    TestDatabase::admin("create role " + name_ + " login");
  }
  ~Role() {
    Session(database_.url()).run("drop owned by " + name_);
    TestDatabase::admin("drop role " + name_);
  }
  Role(const Role&) = delete;
  Role& operator=(const Role&) = delete;
  [[nodiscard]] const std::string& name() const { return name_; }

 private:
  const TestDatabase& database_;
  std::string name_;
};

TEST(CreateOutboxEvent, WritesOneRowInTheCallersTransaction) {
  TestDatabase database;
  auto store = opened(database.url());
  Session app(database.url());
  app.run("begin");
  const std::string id = app.value(
      "select ringcast.create_outbox_event('42', 'Task', '7', 'kitchen.task.made',"
      " '{\"a\": 1}'::jsonb, occurred_at => '2026-01-02 03:04:05Z', exclude_user => 'bob',"
      " conflation_key => 'k', headers => '{\"traceparent\": \"x\"}'::jsonb, lock_aggregate => "
      "true)");
  EXPECT_THAT(read_all(*store), ElementsAre());
  app.run("commit");
  auto window = store->next(OutboxStore::Read::record, 10);
  ASSERT_TRUE(window);
  ASSERT_EQ(window->rows.size(), 1U);
  const OutboxRow& row = window->rows[0];
  EXPECT_EQ(row.event_id, Uuid::parse(id));
  EXPECT_EQ(row.kind, OutboxRow::Kind::envelope);
  EXPECT_EQ(row.tenant_id, "42");
  EXPECT_EQ(row.aggregate_type, "Task");
  EXPECT_EQ(row.aggregate_id, "7");
  EXPECT_EQ(row.event_type, "kitchen.task.made");
  EXPECT_EQ(row.room, std::nullopt);
  EXPECT_EQ(row.exclude_user, "bob");
  EXPECT_EQ(row.conflation_key, "k");
  EXPECT_EQ(row.occurred_at, parse_timestamp("2026-01-02T03:04:05.000000Z"));
  EXPECT_EQ(row.payload, "{\"a\": 1}");
  EXPECT_EQ(app.value("select headers ->> 'traceparent' from ringcast.outbox"), "x");
}

TEST(CreateOutboxEvent, KeepsTheIdThatTheCallerGives) {
  TestDatabase database;
  Session app(database.url());
  const std::string id = Uuid::random().text();
  EXPECT_EQ(app.value(fmt::format("select ringcast.create_outbox_event('42', 'Task', '7', 'a.b',"
                                  " '{{}}', event_id => '{}')",
                                  id)),
            id);
}

TEST(CreateOutboxEvent, WithLockAggregateWaitsForTheAggregateAlone) {
  TestDatabase database;
  Session first(database.url());
  Session second(database.url());
  const auto create = [](const char* aggregate) {
    return fmt::format(
        "select ringcast.create_outbox_event('42', 'Task', '{}', 'a.b', '{{}}',"
        " lock_aggregate => true)",
        aggregate);
  };
  first.run("begin");
  first.run(create("7"));
  EXPECT_EQ(second.sqlstate(create("8")), "success");
  second.run("set lock_timeout = '50ms'");
  EXPECT_EQ(second.sqlstate(create("7")), "55P03");
  first.run("commit");
  EXPECT_EQ(second.sqlstate(create("7")), "success");
}

// An event of create_outbox_events() with these members besides the required ones.
std::string event_with(std::string_view members) {
  return fmt::format(
      R"({{"tenant_id":"42","aggregate_type":"Task","aggregate_id":"7","event_type":"a.b",)"
      R"("payload":{{"n":1}}{}{}}})",
      members.empty() ? "" : ",", members);
}

TEST(CreateOutboxEvents, WritesAllInTheirOrderInTheCallersTransaction) {
  TestDatabase database;
  auto store = opened(database.url());
  Session app(database.url());
  std::string events = "[";
  for (int i = 0; i < 100; ++i)
    events += fmt::format(
        R"({}{{"tenant_id":"42","aggregate_type":"Task","aggregate_id":"{}","event_type":"a.b",)"
        R"("payload":{{}},"room":{}}})",
        i == 0 ? "" : ",", i, i % 2 == 0 ? "null" : R"("room:1")");
  app.run("begin");
  auto made = app.connection().query(
      "select array_to_string(ringcast.create_outbox_events($1::jsonb), ',')",
      Params{}.add(events + "]"));
  ASSERT_TRUE(made) << made.error().detail;
  EXPECT_THAT(read_all(*store), ElementsAre());
  app.run("commit");
  auto window = store->next(OutboxStore::Read::record, 200);
  ASSERT_TRUE(window);
  ASSERT_EQ(window->rows.size(), 100U);
  std::string ids;
  for (int i = 0; i < 100; ++i) {
    const OutboxRow& row = window->rows[i];
    EXPECT_EQ(row.aggregate_id, std::to_string(i));
    EXPECT_EQ(row.room.has_value(), i % 2 == 1);
    ids += (i == 0 ? "" : ",") + row.event_id->text();
  }
  EXPECT_EQ(made->text(0, 0), ids);
  EXPECT_EQ(app.value("select array_length(ringcast.create_outbox_events('[]'), 1) is null"),
            "true");
}

TEST(CreateOutboxEvents, KeepsEveryField) {
  TestDatabase database;
  auto store = opened(database.url());
  Session app(database.url());
  const std::string id = Uuid::random().text();
  auto made = app.connection().query(
      "select ringcast.create_outbox_events($1::jsonb)",
      Params{}.add(fmt::format(
          "[{}]",
          event_with(fmt::format(
              R"("event_id":"{}","occurred_at":"2026-01-02T03:04:05Z","exclude_user":"bob",)"
              R"("conflation_key":"k","headers":{{"traceparent":"x"}},"lock_aggregate":true)",
              id)))));
  ASSERT_TRUE(made) << made.error().detail;
  auto window = store->next(OutboxStore::Read::record, 10);
  ASSERT_TRUE(window);
  ASSERT_EQ(window->rows.size(), 1U);
  const OutboxRow& row = window->rows[0];
  EXPECT_EQ(row.event_id, Uuid::parse(id));
  EXPECT_EQ(row.exclude_user, "bob");
  EXPECT_EQ(row.conflation_key, "k");
  EXPECT_EQ(row.occurred_at, parse_timestamp("2026-01-02T03:04:05.000000Z"));
  EXPECT_EQ(row.payload, "{\"n\": 1}");
  EXPECT_EQ(app.value("select headers ->> 'traceparent' from ringcast.outbox"), "x");
}

TEST(CreateOutboxEvents, AMistakeIsNamedByIndexAndFieldAndNothingIsWritten) {
  TestDatabase database;
  Session app(database.url());
  const auto text = [](std::string_view field, std::size_t octets) {
    return fmt::format(R"("{}":"{}")", field, std::string(octets, 'x'));
  };
  const struct {
    std::string event;
    std::string says;  // empty: taken
  } cases[] = {
      {event_with(""), ""},
      {"7", "events[1]: is not an object"},
      {event_with(R"("rooom":"x")"), "events[1].rooom: is not a field"},
      {R"({"tenant_id":"42"})", "events[1].aggregate_type: is missing"},
      {event_with(R"("tenant_id":null)"), "events[1].tenant_id: is missing"},
      {event_with(R"("tenant_id":42)"), "events[1].tenant_id: is not a string"},
      {event_with(R"("tenant_id":"42:kitchen")"), "events[1].tenant_id: is not 1 to 120"},
      {event_with(text("tenant_id", 120)), ""},
      {event_with(text("tenant_id", 121)), "events[1].tenant_id: is not 1 to 120"},
      {event_with(R"("aggregate_type":"")"), "events[1].aggregate_type: has not 1 to 255"},
      {event_with(text("aggregate_id", 255)), ""},
      {event_with(text("aggregate_id", 256)), "events[1].aggregate_id: has not 1 to 255"},
      {event_with(text("room", 255)), ""},
      {event_with(text("room", 256)), "events[1].room: has not 1 to 255"},
      {event_with(text("conflation_key", 256)), "events[1].conflation_key: has more than 255"},
      {event_with(text("exclude_user", 121)), "events[1].exclude_user: is not 1 to 120"},
      {event_with(R"("event_type":"ping")"), "events[1].event_type: is one of the engine's own"},
      {event_with(R"("event_type":"a b.c")"), "events[1].event_type: what stands before"},
      {event_with(R"("event_type":"a b.c","room":"r:1")"), ""},
      {event_with(R"("room":"r:1",)" + text("event_type", 128)), ""},
      {event_with(R"("room":"r:1",)" + text("event_type", 129)), "events[1].event_type: has not"},
      {event_with(R"("payload":[1])"), "events[1].payload: is not an object"},
      {event_with(R"("payload":null)"), "events[1].payload: is missing"},
      {event_with(R"("headers":"x")"), "events[1].headers: is not an object"},
      {event_with(R"("lock_aggregate":"yes")"), "events[1].lock_aggregate: is not true or false"},
      {event_with(R"("event_id":"7")"), "events[1].event_id: is not a UUID"},
      {event_with(R"("occurred_at":"noon")"), "events[1].occurred_at: is not a time"},
      {event_with(R"("occurred_at":"infinity")"), "events[1].occurred_at: is not a time"},
  };
  for (const auto& [event, says] : cases) {
    app.run("truncate ringcast.outbox");
    auto done = app.connection().query(
        "select ringcast.create_outbox_events($1::jsonb)",
        Params{}.add(fmt::format("[{},{},{}]", event_with(""), event, event_with(""))));
    EXPECT_EQ(done.ok(), says.empty()) << event;
    if (!done) {
      EXPECT_THAT(done.error().detail, HasSubstr(says)) << event;
    }
    EXPECT_EQ(app.value("select count(*) from ringcast.outbox"), says.empty() ? "3" : "0") << event;
  }
  EXPECT_EQ(app.sqlstate("select ringcast.create_outbox_events('{}')"), "22023");
  EXPECT_EQ(app.sqlstate("select ringcast.create_outbox_events(null)"), "22023");
}

TEST(CreateOutboxEvents, AWriterWithItsRightsAloneMayCallIt) {
  TestDatabase database;
  const Role role(database);
  Session(database.url()).run(fmt::format("select ringcast.grant_writer('{}')", role.name()));
  Session app(with_user(database.url(), role.name()));
  EXPECT_EQ(app.sqlstate("select ringcast.create_outbox_events('[" + event_with("") + "]')"),
            "success");
}

TEST(OutboxTable, RefusesWhatNoRoomCouldBeMadeOfAndNamesTheField) {
  TestDatabase database;
  Session app(database.url());
  const std::string part120(120, 'p');
  const std::string part121(121, 'p');
  const struct {
    std::string tenant, type, id, event, room;
    const char* constraint;  // null: taken
  } cases[] = {
      {"42", "T", "1", "a.b", "", nullptr},
      {part120, "T", "1", part120 + ".b", "", nullptr},
      {part121, "T", "1", "a.b", "", "outbox_tenant_id"},
      {"", "T", "1", "a.b", "", "outbox_tenant_id"},
      {"42:kitchen", "T", "1", "a.b", "", "outbox_tenant_id"},
      {"42\n", "T", "1", "a.b", "", "outbox_tenant_id"},
      {"42", "", "1", "a.b", "", "outbox_aggregate_type"},
      {"42", "T", "", "a.b", "", "outbox_aggregate_id"},
      {"42", "T", std::string(255, 'i'), "a.b", "", nullptr},
      {"42", "T", std::string(256, 'i'), "a.b", "", "outbox_aggregate_id"},
      {"42", "T", "1", "", "", "outbox_event_type"},
      {"42", "T", "1", "a b.c", "", "outbox_event_type"},
      {"42", "T", "1", part121 + ".b", "", "outbox_event_type"},
      {"42", "T", "1", part121 + ".b", "room:1", nullptr},
      {"42", "T", "1", std::string(128, 'e'), "room:1", nullptr},
      {"42", "T", "1", std::string(129, 'e'), "room:1", "outbox_event_type"},
      {"42", "T", "1", "a.b", std::string(255, 'r'), nullptr},
      {"42", "T", "1", "a.b", std::string(256, 'r'), "outbox_room"},
  };
  for (const auto& [tenant, type, id, event, room, constraint] : cases) {
    auto done = app.connection().query(
        "select ringcast.create_outbox_event($1, $2, $3, $4, '{}', nullif($5, ''))",
        Params{}.add(tenant).add(type).add(id).add(event).add(room));
    EXPECT_EQ(done.ok(), constraint == nullptr) << tenant << ' ' << event << ' ' << room;
    if (!done && constraint != nullptr) {
      EXPECT_THAT(done.error().detail, HasSubstr(constraint));
    }
  }
}

TEST(OutboxTable, RefusesAPlainRowWithoutARoom) {
  TestDatabase database;
  Session app(database.url());
  EXPECT_EQ(app.sqlstate("insert into ringcast.outbox (kind, event_type, payload)"
                         " values (1, 'a', '1')"),
            "23514");
  EXPECT_EQ(app.sqlstate("insert into ringcast.outbox (kind, event_type, room, payload)"
                         " values (1, 'a', 'room:1', '1')"),
            "success");
  EXPECT_EQ(app.sqlstate("insert into ringcast.outbox (kind, event_type, room, payload)"
                         " values (2, 'a', 'room:1', '1')"),
            "23514");
}

TEST(OutboxStatus, ShowsPendingPublishedAndFailed) {
  TestDatabase database;
  auto store = opened(database.url());
  Session app(database.url());
  for (int i = 0; i < 3; ++i) app.insert(std::to_string(i));
  const auto statuses = [&] {
    return app.value("select string_agg(status, ' ' order by id) from ringcast.outbox_status");
  };
  EXPECT_EQ(statuses(), "pending pending pending");
  for (const char* expected : {"published published pending", "published published published"}) {
    auto window = store->next(OutboxStore::Read::record, 2);
    while (window && window->rows.empty()) window = store->next(OutboxStore::Read::record, 2);
    ASSERT_TRUE(window);
    ASSERT_TRUE(store->note_delivered(window->top));
    EXPECT_EQ(statuses(), expected);
  }
  app.run(
      "insert into ringcast.failed (source, id, state, reason) select 'outbox', min(id), 2, 'x'"
      " from ringcast.outbox");
  EXPECT_EQ(statuses(), "failed published published");
}

TEST(Rights, OfAWriterAreToInsertAndNotToSetWhatTheReaderReliesOn) {
  TestDatabase database;
  const Role role(database);
  Session(database.url()).run("select ringcast.grant_writer('" + role.name() + "')");
  auto store = opened(database.url());
  Session app(with_user(database.url(), role.name()));
  EXPECT_EQ(app.sqlstate("select ringcast.create_outbox_event('42', 'T', '1', 'a.b', '{}')"),
            "success");
  EXPECT_THAT(names_of(read_all(*store)), ElementsAre("1"));
  for (const char* column : {"id", "xid", "created_at"})
    EXPECT_EQ(app.sqlstate(fmt::format("insert into ringcast.outbox (event_type, room, kind, "
                                       "payload, {}) values ('a', 'r', 1, '1', default)",
                                       column)),
              "42501")
        << column;
  for (const char* forbidden :
       {"select * from ringcast.outbox", "delete from ringcast.outbox",
        "select * from ringcast.reader_window", "select ringcast.rebase()",
        "select ringcast.make_leaf(current_date)", "select ringcast.grant_daemon('x')"})
    EXPECT_EQ(app.sqlstate(forbidden), "42501") << forbidden;
}

// The trigger runs with its owner's rights, so a writer's own names must not get into it.
TEST(Rights, OfTheOwnerAreNotLentToFunctionsThatAWriterNames) {
  TestDatabase database;
  auto store = opened(database.url());
  Session app(database.url());
  app.run(
      "create schema evil;"
      "create function evil.run() returns boolean language plpgsql as"
      " $$ begin raise 'run with the rights of %', current_user; end $$;"
      "create function evil.clock_timestamp() returns timestamptz language sql"
      " as 'select evil.run()::text::timestamptz';"
      "create function evil.pg_notify(text, text) returns void language sql as 'select evil.run()';"
      "create function evil.later(timestamptz, timestamptz) returns boolean language sql"
      " as 'select evil.run()';"
      "create operator evil.> (function = evil.later, leftarg = timestamptz,"
      " rightarg = timestamptz);"
      "insert into ringcast.reader (source, node, lease_until, armed)"
      " values ('outbox', 'other', clock_timestamp() + interval '1 minute', true);"
      "set search_path = evil, pg_catalog");
  app.insert("a");
  EXPECT_THAT(names_of(read_all(*store)), ElementsAre("a"));
}

TEST(Rights, OfTheDaemonSufficeForAllThatItDoes) {
  TestDatabase database;
  const Role role(database);
  Session owner(database.url());
  owner.run("select ringcast.grant_daemon('" + role.name() + "')");
  // A leaf that is made later must be readable too.
  owner.run(
      "do $$ begin execute 'drop table ringcast.outbox_' || to_char(now() at time zone 'UTC',"
      " 'YYYYMMDD'); end $$");
  auto settings = settings_for(with_user(database.url(), role.name()));
  settings.pace.busy_for = Millis{0};
  auto store = opened(std::move(settings));
  owner.insert("a");
  EXPECT_EQ(owner.value("select count(*) from ringcast.outbox_default"), "0") << "no leaf was made";
  EXPECT_THAT(names_of(read_all(*store)), ElementsAre("a"));
  for (int i = 0; i < 3; ++i) owner.insert(std::to_string(i));
  EXPECT_THAT(names_of(read_all(*store, 2)), ElementsAre("0", "1", "2"));
  PlainRow row;
  row.event_id = Uuid::random();
  row.room = "room:1";
  row.event_type = "note";
  row.data = std::make_shared<const std::string>("1");
  row.idempotency_key = "key";
  for (int i = 0; i < 2; ++i) {
    auto outcomes = store->append(std::span(&row, 1));
    ASSERT_TRUE(outcomes) << outcomes.error().detail;
    EXPECT_TRUE(outcomes->front());
  }
  const FailedRow failed{.id = 1, .event_id = "", .reason = "invalid", .error = "x"};
  EXPECT_TRUE(store->fail(std::span(&failed, 1)));
  EXPECT_TRUE(store->backlog());
  EXPECT_TRUE(*store->is_recorded(kOffsetsPerWindow + 1));
  std::vector<pollfd> fds;
  store->arm(fds, SystemClock{}.now());
  EXPECT_EQ(owner.value("select count(*) from ringcast.reader where armed"), "1");
  const std::string old_leaf = make_leaf(owner, -9);
  auto retired = store->retire();
  EXPECT_TRUE(retired) << retired.error().detail;
  EXPECT_EQ(owner.value("select to_regclass('" + old_leaf + "') is null"), "true");
  owner.run("update ringcast.meta set timeline = timeline + 1");
  auto state = store->reopen();
  EXPECT_TRUE(state) << state.error().detail;
}

TEST(Rights, ThatAreMissingAreNamed) {
  TestDatabase database;
  const Role role(database);
  PgStore store(settings_for(with_user(database.url(), role.name())));
  auto refused = store.open(std::chrono::seconds{60}, 1'000);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::forbidden);
  EXPECT_THAT(refused.error().detail, HasSubstr("ringcast.grant_daemon"));
}

TEST(Rights, ThatAreMissingAreNamedBeforeTheyAreWanted) {
  TestDatabase database;
  const Role role(database);
  Session owner(database.url());
  const struct {
    const char* right;
    const char* kind;
    const char* name;
  } cases[] = {
      {"update", "table", "ringcast.progress"},
      {"insert", "table", "ringcast.reader_window"},
      {"delete", "table", "ringcast.publish_key"},
      {"insert", "table", "ringcast.failed"},
      {"usage", "sequence", "ringcast.outbox_id"},
      {"execute", "function", "ringcast.make_leaf(date)"},
      {"execute", "function", "ringcast.retire_leaf(date, boolean)"},
  };
  for (const auto& [right, kind, name] : cases) {
    owner.run("select ringcast.grant_daemon('" + role.name() + "')");
    owner.run(fmt::format("revoke {} on {} {} from {}", right, kind, name, role.name()));
    PgStore store(settings_for(with_user(database.url(), role.name())));
    auto refused = store.open(std::chrono::seconds{60}, 1'000);
    ASSERT_FALSE(refused) << right << name;
    EXPECT_EQ(refused.error().code, Errc::forbidden);
    EXPECT_THAT(refused.error().detail,
                HasSubstr(fmt::format("lacks {} on {}; the schema's owner gives the rights: "
                                      "select ringcast.grant_daemon('role')",
                                      right, name)));
  }
}

TEST(Sequence, ThatHandsOutIdsInBlocksIsRefused) {
  for (const char* change : {"cache 2", "increment -1", "cycle"}) {
    TestDatabase database;
    Session(database.url()).run(fmt::format("alter sequence ringcast.outbox_id {}", change));
    PgStore store(settings_for(database.url()));
    auto refused = store.open(std::chrono::seconds{60}, 1'000);
    ASSERT_FALSE(refused) << change;
    EXPECT_EQ(refused.error().code, Errc::validation);
    EXPECT_THAT(refused.error().detail,
                HasSubstr("run `alter sequence ringcast.outbox_id increment 1 cache 1 no cycle`"));
  }
}

TEST(Pruning, KeepsTheWindowsOfADayAndAlwaysTheLastThatWasDelivered) {
  TestDatabase database;
  Session owner(database.url());
  {
    auto store = opened(database.url());
    for (int i = 0; i < 3; ++i) {
      owner.insert(std::to_string(i));
      const auto seen = read_all(*store);
      if (i == 2) break;
      ASSERT_TRUE(store->note_delivered(seen.back().offset));
    }
  }
  const struct {
    const char* age;
    const char* left;
  } cases[] = {{"23 hours", "1 2 3"}, {"25 hours", "2 3"}};
  for (const auto& [age, left] : cases) {
    owner.run(fmt::format(
        "update ringcast.reader_window set at = clock_timestamp() - interval '{}'", age));
    auto store = opened(database.url());  // its first read prunes
    EXPECT_THAT(read_all(*store), ElementsAre());
    EXPECT_EQ(owner.value("select string_agg(no::text, ' ' order by no)"
                          " from ringcast.reader_window"),
              left)
        << age;
  }
}

}  // namespace
}  // namespace ringcast::pg
