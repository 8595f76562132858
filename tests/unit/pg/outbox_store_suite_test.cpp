// The behaviour that all stores share, on PostgreSQL.
#include "unit/store/outbox_store_suite.hpp"

#include "unit/pg/test_database.hpp"

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
  std::unique_ptr<OutboxStore> make_store(const Config& config) override {
    StoreConfig store = config.store;
    store.url = database_.url();
    return make_pg_store(store, config.outbox, {});
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

 private:
  TestDatabase database_;
};

INSTANTIATE_TEST_SUITE_P(Pg, OutboxStoreSuite, testing::Values([] {
                           return std::unique_ptr<StoreBackend>(std::make_unique<PgBackend>());
                         }),
                         [](const auto&) { return std::string("PostgreSQL"); });

}  // namespace
}  // namespace ringcast::pg
