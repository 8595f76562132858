// The behaviour that all stores share, on PostgreSQL in both modes.
#include <set>

#include "pg/pg_operator.hpp"
#include "unit/pg/test_database.hpp"
#include "unit/store/outbox_operator_suite.hpp"

namespace ringcast::pg {
namespace {

class PgWriter final : public OutboxWriter {
 public:
  explicit PgWriter(const std::string& url) : session_(url) {}
  void begin() override { session_.run("begin"); }
  void commit() override { session_.run("commit"); }
  void roll_back() override { session_.run("rollback"); }

  // As an application does it: through the function, so that a refused row is refused by the table.
  bool insert(const RowToWrite& row) override {
    Params params;
    params.add(row.tenant_id).add(row.aggregate_type).add(row.aggregate_id).add(row.event_type);
    params.add(row.payload).add(row.room.value_or(""));
    params.add(row.exclude_user).add(row.conflation_key);
    return session_.connection()
        .query(
            "select ringcast.create_outbox_event($1, $2, $3, $4, $5::jsonb, nullif($6, ''),"
            " exclude_user => nullif($7, ''), conflation_key => nullif($8, ''))",
            params)
        .ok();
  }

 private:
  Session session_;
};

class PgBackend final : public StoreBackend {
 public:
  explicit PgBackend(OutboxMode mode) : mode_(mode) {}

  std::unique_ptr<OutboxStore> make_store(const Config& config) override {
    StoreConfig store = config.store;
    store.url = database_.url();
    OutboxConfig outbox = config.outbox;
    outbox.mode = mode_;
    return make_pg_store(store, outbox, {});
  }
  Result<std::unique_ptr<OutboxOperator>> make_operator() override {
    return PgOperator::open(database_.url());
  }
  std::unique_ptr<OutboxWriter> make_writer() override {
    return std::make_unique<PgWriter>(database_.url());
  }
  void drop_and_remake() override {
    database_.drop();
    database_.create(TestDatabase::Schema::none);
  }
  void age_by(std::chrono::seconds seconds) override {
    Session(database_.url())
        .run("update ringcast.reader_window set at = at - interval '" +
             std::to_string(seconds.count()) + " seconds'");
  }
  std::size_t failed_rows() override {
    return std::stoul(Session(database_.url()).value("select count(*) from ringcast.failed"));
  }
  // In status mode the row itself has to say what the view says.
  std::string status(const std::string& aggregate_id) override {
    Session session(database_.url());
    const auto said_by = [&](const std::string& relation) {
      return session.value(
          "select status || ' ' || coalesce(reason, '-') || ' ' || attempts from " + relation +
          " where aggregate_id = '" + aggregate_id + "'");
    };
    const std::string status = said_by("ringcast.outbox_status");
    if (mode_ == OutboxMode::status) {
      EXPECT_EQ(said_by("ringcast.outbox"), status);
    }
    return status;
  }
  void write_old(const std::string& aggregate_id, int days) override {
    Session session(database_.url());
    if (made_.insert(days).second) make_leaf(session, -days);
    insert_on_day(session, aggregate_id, -days);
  }
  std::string rows_left() override {
    return Session(database_.url())
        .value("select string_agg(aggregate_id, ' ' order by id) from ringcast.outbox");
  }
  void redrive(const std::string& aggregate_id, const std::string& as) override {
    Session(database_.url())
        .run(
            "insert into ringcast.outbox(tenant_id, aggregate_type, aggregate_id, event_type,"
            " payload, redrive_of) select tenant_id, aggregate_type, '" +
            as +
            "', event_type, payload, id from ringcast.outbox"
            " where aggregate_id = '" +
            aggregate_id + "'");
  }

 private:
  OutboxMode mode_;
  TestDatabase database_;
  std::set<int> made_;  // leaves, by age in days
};

const auto kModes = testing::Values(
    [] { return std::unique_ptr<StoreBackend>(std::make_unique<PgBackend>(OutboxMode::window)); },
    [] { return std::unique_ptr<StoreBackend>(std::make_unique<PgBackend>(OutboxMode::status)); });

std::string mode_name(const testing::TestParamInfo<BackendFactory>& info) {
  return info.index == 0 ? "PostgreSQL" : "PostgreSQLStatusMode";
}

INSTANTIATE_TEST_SUITE_P(Pg, ArchiveCommandSuite, kModes, mode_name);
INSTANTIATE_TEST_SUITE_P(Pg, OutboxOperatorSuite, kModes, mode_name);
INSTANTIATE_TEST_SUITE_P(Pg, OutboxHoldSuite, kModes, mode_name);

TEST(PgOperator, TheOverviewNamesWhatIsInTheWay) {
  TestDatabase database;
  auto settings = settings_for(database.url());
  settings.pace.busy_for = Millis{0};
  auto store = opened(std::move(settings));
  Session writer(database.url());
  writer.insert("a");
  read_all(*store);
  writer.run("set application_name = 'slow app'; begin; select 1");
  std::vector<pollfd> fds;
  store->arm(fds, SystemClock{}.now());
  auto outbox = PgOperator::open(database.url());
  ASSERT_TRUE(outbox) << outbox.error().detail;
  auto overview = (*outbox)->overview();
  ASSERT_TRUE(overview) << overview.error().detail;
  ASSERT_TRUE(overview->oldest_transaction);
  EXPECT_EQ(overview->oldest_transaction->application, "slow app");
  EXPECT_EQ(std::to_string(overview->oldest_transaction->pid),
            writer.value("select pg_backend_pid()"));
  ASSERT_TRUE(overview->last_window);
  EXPECT_EQ(overview->last_window->no, 1);
  EXPECT_EQ(overview->last_window->rows, 1U);
  auto trouble = store->trouble();
  ASSERT_TRUE(trouble) << trouble.error().detail;
  EXPECT_GT(trouble->oldest_transaction, Millis{0});
  ASSERT_EQ(overview->daemons.size(), 1U);
  EXPECT_GT(overview->daemons[0].lease_seconds, 0);
}

INSTANTIATE_TEST_SUITE_P(Pg, OutboxStoreSuite, kModes, mode_name);

}  // namespace
}  // namespace ringcast::pg
