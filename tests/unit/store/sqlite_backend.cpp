#include "unit/store/sqlite_backend.hpp"

#include <stdlib.h>

#include "store/sqlite_operator.hpp"

namespace ringcast {

namespace {

class SqliteWriter final : public OutboxWriter {
 public:
  explicit SqliteWriter(const std::string& path) : database_(path) {}
  void begin() override { EXPECT_TRUE(database_.execute("begin immediate")) << database_.error(); }
  void commit() override { EXPECT_TRUE(database_.execute("commit")) << database_.error(); }
  void roll_back() override { EXPECT_TRUE(database_.execute("rollback")) << database_.error(); }
  bool insert(const RowToWrite& row) override {
    // %Q of a null pointer is NULL.
    char* sql = sqlite3_mprintf(
        "insert into ringcast_outbox(tenant_id, aggregate_type, aggregate_id, event_type, payload,"
        " room, exclude_user, conflation_key)"
        " values(%Q, %Q, %Q, %Q, %Q, %Q, nullif(%Q, ''), nullif(%Q, ''))",
        row.tenant_id.c_str(), row.aggregate_type.c_str(), row.aggregate_id.c_str(),
        row.event_type.c_str(), row.payload.c_str(), row.room ? row.room->c_str() : nullptr,
        row.exclude_user.c_str(), row.conflation_key.c_str());
    const std::string text(sql);
    sqlite3_free(sql);
    return database_.execute(text);
  }

 private:
  Database database_;
};

}  // namespace

Database::Database(const std::string& path) {
  EXPECT_EQ(sqlite3_open(path.c_str(), &connection_), SQLITE_OK);
  sqlite3_busy_timeout(connection_, 20'000);
}

Database::~Database() { sqlite3_close(connection_); }

bool Database::execute(const std::string& sql) {
  return sqlite3_exec(connection_, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK;
}

std::string Database::text(const std::string& sql) {
  sqlite3_stmt* statement = nullptr;
  EXPECT_EQ(sqlite3_prepare_v2(connection_, sql.c_str(), -1, &statement, nullptr), SQLITE_OK)
      << error();
  std::string value;
  if (sqlite3_step(statement) == SQLITE_ROW)
    if (const auto* text = sqlite3_column_text(statement, 0))
      value = reinterpret_cast<const char*>(text);
  sqlite3_finalize(statement);
  return value;
}

SqliteBackend::SqliteBackend() {
  std::string pattern = (std::filesystem::temp_directory_path() / "ringcast-test-XXXXXX").string();
  EXPECT_NE(mkdtemp(pattern.data()), nullptr);
  folder_ = pattern;
}

SqliteBackend::~SqliteBackend() {
  std::error_code error;
  std::filesystem::remove_all(folder_, error);
}

std::unique_ptr<OutboxStore> SqliteBackend::make_store(const Config& config) {
  return std::make_unique<SqliteStore>(config, path(), boot_id);
}

Result<std::unique_ptr<OutboxOperator>> SqliteBackend::make_operator() {
  return SqliteOperator::open("sqlite:" + path());
}

std::unique_ptr<OutboxWriter> SqliteBackend::make_writer() {
  return std::make_unique<SqliteWriter>(path());
}

void SqliteBackend::drop_and_remake() {
  for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(path() + suffix);
  // Keeps the old inode from being given out again.
  Database(folder() + "/other.db").execute("create table t(x)");
  Database(path()).execute("create table application(x)");
}

void SqliteBackend::age_by(std::chrono::seconds seconds) {
  Database database(path());
  EXPECT_TRUE(
      database.execute("update ringcast_outbox set created_at_ms = created_at_ms - 1000 * " +
                       std::to_string(seconds.count())))
      << database.error();
}

std::string SqliteBackend::status(const std::string& aggregate_id) {
  return Database(path()).text(
      "select status || ' ' || coalesce(reason, '-') || ' ' || attempts from"
      " ringcast_outbox_status where aggregate_id = '" +
      aggregate_id + "'");
}

void SqliteBackend::write_old(const std::string& aggregate_id, int days) {
  make_writer()->write({aggregate_id});
  EXPECT_TRUE(Database(path()).execute(
      "update ringcast_outbox set created_at_ms = created_at_ms - 86400000 * " +
      std::to_string(days) + " where aggregate_id = '" + aggregate_id + "'"));
}

std::string SqliteBackend::rows_left() {
  return Database(path()).text(
      "select group_concat(aggregate_id, ' ') from"
      " (select aggregate_id from ringcast_outbox order by id)");
}

void SqliteBackend::redrive(const std::string& aggregate_id, const std::string& as) {
  EXPECT_TRUE(Database(path()).execute(
      "insert into ringcast_outbox(tenant_id, aggregate_type, aggregate_id, event_type, payload,"
      " redrive_of) select tenant_id, aggregate_type, '" +
      as + "', event_type, payload, id from ringcast_outbox where aggregate_id = '" + aggregate_id +
      "'"));
}

std::size_t SqliteBackend::failed_rows() {
  return std::stoul(Database(path()).text("select count(*) from ringcast_failed"));
}

}  // namespace ringcast
