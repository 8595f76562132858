#include "pg/outbox_writer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "message/timestamp.hpp"

#include "unit/pg/test_database.hpp"

namespace ringcast::pg {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

// An application's connection, as it would open one.
class Application {
 public:
  explicit Application(const std::string& url) : connection_(PQconnectdb(url.c_str())) {
    EXPECT_EQ(PQstatus(get()), CONNECTION_OK) << PQerrorMessage(get());
  }
  [[nodiscard]] PGconn* get() const { return connection_.get(); }
  void run(const char* sql) { PQclear(PQexec(get(), sql)); }

 private:
  struct Finish {
    void operator()(PGconn* connection) const { PQfinish(connection); }
  };
  std::unique_ptr<PGconn, Finish> connection_;
};

OutboxEvent event(std::string_view aggregate = "7") {
  OutboxEvent made;
  made.tenant_id = "42";
  made.aggregate_type = "Task";
  made.aggregate_id = aggregate;
  made.event_type = "kitchen.task.made";
  made.payload = R"({"a":1e22})";
  return made;
}

class OutboxWriterTest : public testing::Test {
 protected:
  TestDatabase database_;
  std::unique_ptr<PgStore> store_ = opened(database_.url());
  Application app_{database_.url()};
};

TEST_F(OutboxWriterTest, WritesInTheCallersTransaction) {
  app_.run("begin");
  OutboxEvent full = event();
  full.room = "tenant:42:x";
  full.occurred_at = parse_timestamp("2026-01-02T03:04:05.000006Z");
  full.event_id = Uuid::parse("0f4b5b6e-5d6c-4b6e-9a53-6f1c7f3f6b10");
  full.exclude_user = "bob";
  full.conflation_key = "k";
  full.headers = R"({"traceparent":"x"})";
  full.lock_aggregate = true;
  const auto id = create_outbox_event(app_.get(), full);
  ASSERT_TRUE(id.ok()) << id.error().detail;
  EXPECT_EQ(*id, *full.event_id);
  EXPECT_THAT(read_all(*store_), IsEmpty()) << "not committed yet";
  app_.run("commit");
  auto window = store_->next(OutboxStore::Read::record, 10);
  ASSERT_TRUE(window.ok());
  ASSERT_EQ(window->rows.size(), 1U);
  const OutboxRow& row = window->rows[0];
  EXPECT_EQ(row.event_id, *full.event_id);
  EXPECT_EQ(row.kind, OutboxRow::Kind::envelope);
  EXPECT_EQ(row.tenant_id, "42");
  EXPECT_EQ(row.aggregate_type, "Task");
  EXPECT_EQ(row.aggregate_id, "7");
  EXPECT_EQ(row.event_type, "kitchen.task.made");
  EXPECT_EQ(row.room, "tenant:42:x");
  EXPECT_EQ(row.exclude_user, "bob");
  EXPECT_EQ(row.conflation_key, "k");
  EXPECT_EQ(row.occurred_at, full.occurred_at);
  EXPECT_EQ(row.payload, R"({"a":1e22})") << "as it was given, not as jsonb writes it";
  EXPECT_EQ(Session(database_.url()).value("select headers->>'traceparent' from ringcast.outbox"),
            "x");
}

TEST_F(OutboxWriterTest, ManyKeepTheirOrder) {
  app_.run("begin");
  const OutboxEvent events[] = {event("a"), event("b"), event("c")};
  const auto ids = create_outbox_events(app_.get(), events);
  ASSERT_TRUE(ids.ok()) << ids.error().detail;
  EXPECT_EQ(ids->size(), 3U);
  EXPECT_NE(ids->front(), ids->back());
  EXPECT_EQ(create_outbox_events(app_.get(), {})->size(), 0U);
  app_.run("commit");
  EXPECT_THAT(names_of(read_all(*store_)), ElementsAre("a", "b", "c"));
}

TEST_F(OutboxWriterTest, ARollbackTakesThemAlong) {
  app_.run("begin");
  ASSERT_TRUE(create_outbox_event(app_.get(), event()).ok());
  app_.run("rollback");
  EXPECT_THAT(read_all(*store_), IsEmpty());
}

TEST_F(OutboxWriterTest, WithoutATransactionNothingIsWritten) {
  const auto id = create_outbox_event(app_.get(), event());
  ASSERT_FALSE(id.ok());
  EXPECT_THAT(id.error().detail, HasSubstr("BEGIN"));
  EXPECT_THAT(read_all(*store_), IsEmpty());
}

TEST_F(OutboxWriterTest, WhatTheEngineWouldFailIsNotWritten) {
  struct Row {
    void (*change)(OutboxEvent&);
    const char* names;
  };
  const Row rows[] = {
      {[](OutboxEvent& e) { e.tenant_id = "42:kitchen"; }, "tenantId: "},
      {[](OutboxEvent& e) { e.aggregate_id = ""; }, "aggregateId: "},
      {[](OutboxEvent& e) { e.event_type = "gap"; }, "eventType: "},
      {[](OutboxEvent& e) { e.room = "a:*"; }, "room: "},
      {[](OutboxEvent& e) { e.payload = "[1]"; }, "payload: "},
      {[](OutboxEvent& e) { e.payload = R"({"a":})"; }, "payload: "},
      {[](OutboxEvent& e) { e.exclude_user = "a b"; }, "excludeUser: "},
      {[](OutboxEvent& e) { e.headers = "{"; }, "headers: "},
  };
  app_.run("begin");
  for (const Row& row : rows) {
    OutboxEvent wrong = event();
    row.change(wrong);
    const auto one = create_outbox_event(app_.get(), wrong);
    ASSERT_FALSE(one.ok()) << row.names;
    EXPECT_EQ(one.error().code, Errc::validation);
    EXPECT_THAT(one.error().detail, StartsWith(row.names));
    const OutboxEvent both[] = {event(), wrong};
    EXPECT_THAT(create_outbox_events(app_.get(), both).error().detail,
                StartsWith(std::string("events[1].") + row.names));
  }
  const EnvelopeLimits tight{10, 200};
  EXPECT_TRUE(create_outbox_event(app_.get(), event(), {10, 300}).ok());
  EXPECT_THAT(create_outbox_event(app_.get(), event(), tight).error().detail,
              HasSubstr("the most there may be are 200"));
  app_.run("commit");
  EXPECT_THAT(names_of(read_all(*store_)), ElementsAre("7"));
}

TEST_F(OutboxWriterTest, TheLockIsThatOfTheSqlFunction) {
  app_.run("begin");
  OutboxEvent locked = event();
  locked.lock_aggregate = true;
  ASSERT_TRUE(create_outbox_event(app_.get(), locked).ok());
  Session other(database_.url());
  other.run("set lock_timeout = '50ms'");
  EXPECT_EQ(other.sqlstate("select ringcast.create_outbox_event('42', 'Task', '7',"
                           " 'kitchen.task.made', '{}'::jsonb, lock_aggregate => true)"),
            "55P03");
  EXPECT_NE(other.value("select ringcast.create_outbox_event('42', 'Task', '8',"
                        " 'kitchen.task.made', '{}'::jsonb, lock_aggregate => true)"),
            "");
  app_.run("commit");
}

TEST_F(OutboxWriterTest, AnErrorOfTheServerIsSaidWithoutValues) {
  app_.run("begin");
  app_.run("set transaction read only");
  const auto id = create_outbox_event(app_.get(), event());
  ASSERT_FALSE(id.ok());
  EXPECT_THAT(id.error().detail, AllOf(HasSubstr("read-only"), HasSubstr("25006")));
  app_.run("rollback");
}

}  // namespace
}  // namespace ringcast::pg
