#include "row_writer.hpp"

#include <fmt/format.h>
#include <libpq-fe.h>
#include <sqlite3.h>

namespace ringcast::bench {

namespace {

class SqliteWriter final : public RowWriter {
 public:
  explicit SqliteWriter(const std::string& path) {
    ok_ = sqlite3_open(path.c_str(), &database_) == SQLITE_OK;
    sqlite3_busy_timeout(database_, 5'000);
  }
  ~SqliteWriter() override { sqlite3_close(database_); }
  SqliteWriter(const SqliteWriter&) = delete;
  SqliteWriter& operator=(const SqliteWriter&) = delete;
  [[nodiscard]] bool ok() const { return ok_; }

  Result<void> commit(std::uint64_t first, std::uint32_t count, std::uint64_t time) override {
    std::string sql = "begin immediate;";
    for (std::uint64_t number = first; number < first + count; ++number)
      sql += fmt::format(
          "insert into ringcast_outbox(tenant_id, aggregate_type, aggregate_id, event_type, "
          "payload) values ('1', 'bench', '1', 'bench.row', '{{\"bn\":{},\"bt\":{}}}');",
          number, time);
    sql += "commit;";
    if (sqlite3_exec(database_, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK) return {};
    return {Errc::unavailable, fmt::format("SQLite: {}", sqlite3_errmsg(database_))};
  }

 private:
  sqlite3* database_ = nullptr;
  bool ok_ = false;
};

class PostgresWriter final : public RowWriter {
 public:
  explicit PostgresWriter(const std::string& url) : connection_(PQconnectdb(url.c_str())) {}
  ~PostgresWriter() override { PQfinish(connection_); }
  PostgresWriter(const PostgresWriter&) = delete;
  PostgresWriter& operator=(const PostgresWriter&) = delete;
  [[nodiscard]] bool ok() const { return PQstatus(connection_) == CONNECTION_OK; }

  Result<void> commit(std::uint64_t first, std::uint32_t count, std::uint64_t time) override {
    const std::string sql = fmt::format(
        "select count(ringcast.create_outbox_event('1', 'bench', '1', 'bench.row', "
        "jsonb_build_object('bn', n, 'bt', {}::bigint))) from generate_series({}::bigint, {}) n",
        time, first, first + count - 1);
    PGresult* result = PQexec(connection_, sql.c_str());
    const bool done = PQresultStatus(result) == PGRES_TUPLES_OK;
    const std::string why = PQresultErrorMessage(result);
    PQclear(result);
    if (done) return {};
    return {Errc::unavailable, "PostgreSQL: " + why};
  }

 private:
  PGconn* connection_;
};

}  // namespace

Result<std::unique_ptr<RowWriter>> RowWriter::open(const std::string& url) {
  if (url.starts_with("sqlite:")) {
    auto writer = std::make_unique<SqliteWriter>(url.substr(7));
    if (writer->ok()) return std::unique_ptr<RowWriter>(std::move(writer));
  } else {
    auto writer = std::make_unique<PostgresWriter>(url);
    if (writer->ok()) return std::unique_ptr<RowWriter>(std::move(writer));
  }
  return {Errc::unavailable, "the store can not be opened: " + url};
}

}  // namespace ringcast::bench
