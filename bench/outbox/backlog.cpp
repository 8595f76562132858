#include "outbox/backlog.hpp"

#include <fmt/format.h>
#include <libpq-fe.h>
#include <sqlite3.h>

#include <chrono>
#include <string_view>

namespace ringcast::bench {

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

constexpr std::uint64_t kTransactionRows = 1'000;

class PostgresBacklog final : public Backlog {
 public:
  explicit PostgresBacklog(const std::string& url) : connection_(PQconnectdb(url.c_str())) {}
  ~PostgresBacklog() override { PQfinish(connection_); }
  PostgresBacklog(const PostgresBacklog&) = delete;
  PostgresBacklog& operator=(const PostgresBacklog&) = delete;
  [[nodiscard]] bool ok() const { return PQstatus(connection_) == CONNECTION_OK; }

  Result<void> fill(std::uint64_t rows) override {
    for (std::uint64_t first = 0; first < rows; first += kTransactionRows) {
      const std::uint64_t end = std::min(rows, first + kTransactionRows);
      auto done = run(fmt::format(
          "insert into ringcast.outbox (tenant_id, aggregate_type, aggregate_id, event_type,"
          " payload) select 't' || n % {}, 'KitchenTask', 'task-' || n, 'kitchen.task.claimed',"
          " convert_to(json_build_object('taskId', 'task-' || n, 'employeeId', 'employee-' ||"
          " n % 977, 'claimedAt', clock_timestamp(), 'note', repeat('mise en place ', 13))::text,"
          " 'UTF8') from generate_series({}, {}) n",
          kTenants, first, end - 1));
      if (!done) return done;
    }
    return run("vacuum analyze ringcast.outbox; checkpoint");
  }

  Result<double> scan(std::uint64_t rows) override {
    const PgResult leaf(
        PQexec(connection_, "select tableoid::regclass from ringcast.outbox limit 1"));
    if (PQntuples(leaf.get()) != 1) return failed();
    const std::string sql =
        fmt::format("copy {} to stdout (format binary)", PQgetvalue(leaf.get(), 0, 0));
    const auto begin = Clock::now();
    const PgResult started(PQexec(connection_, sql.c_str()));
    if (PQresultStatus(started.get()) != PGRES_COPY_OUT) return failed();
    std::uint64_t pieces = 0;
    for (char* row = nullptr; PQgetCopyData(connection_, &row, 0) > 0; ++pieces) PQfreemem(row);
    while (PGresult* rest = PQgetResult(connection_)) PQclear(rest);
    const double seconds = seconds_since(begin);
    // The trailer is a piece of its own.
    if (pieces != rows + 1)
      return Error{Errc::unavailable, fmt::format("copied {} rows of {}", pieces - 1, rows)};
    return seconds;
  }

  Result<void> rewind() override { return run("truncate ringcast.reader_window"); }

 private:
  struct Clear {
    void operator()(PGresult* result) const { PQclear(result); }
  };
  using PgResult = std::unique_ptr<PGresult, Clear>;

  Result<void> run(const std::string& sql) {
    for (std::string_view left = sql; !left.empty();) {
      // One statement at a time: VACUUM takes no other beside it.
      const auto end = std::min(left.find("; "), left.size());
      const PgResult result(PQexec(connection_, std::string(left.substr(0, end)).c_str()));
      if (PQresultStatus(result.get()) != PGRES_COMMAND_OK) return failed();
      left.remove_prefix(std::min(end + 2, left.size()));
    }
    return {};
  }
  [[nodiscard]] Error failed() const {
    return {Errc::unavailable, fmt::format("PostgreSQL: {}", PQerrorMessage(connection_))};
  }

  PGconn* connection_;
};

class SqliteBacklog final : public Backlog {
 public:
  explicit SqliteBacklog(const std::string& path) {
    ok_ = sqlite3_open(path.c_str(), &database_) == SQLITE_OK;
    sqlite3_busy_timeout(database_, 5'000);
  }
  ~SqliteBacklog() override { sqlite3_close(database_); }
  SqliteBacklog(const SqliteBacklog&) = delete;
  SqliteBacklog& operator=(const SqliteBacklog&) = delete;
  [[nodiscard]] bool ok() const { return ok_; }

  Result<void> fill(std::uint64_t rows) override {
    for (std::uint64_t first = 0; first < rows; first += kTransactionRows) {
      const std::uint64_t end = std::min(rows, first + kTransactionRows);
      // A day ahead, so that no repetition finds them too old to replay.
      auto done = run(fmt::format(
          "with recursive s(n) as (select {} union all select n + 1 from s where n < {})"
          " insert into ringcast_outbox (tenant_id, aggregate_type, aggregate_id, event_type,"
          " created_at_ms, payload) select 't' || n % {}, 'KitchenTask', 'task-' || n,"
          " 'kitchen.task.claimed', unixepoch() * 1000 + 86400000, json_object('taskId',"
          " 'task-' || n, 'employeeId', 'employee-' || n % 977, 'claimedAt', datetime('now'),"
          " 'note', '{}') from s",
          first, end - 1, kTenants, note()));
      if (!done) return done;
    }
    return run("pragma wal_checkpoint(truncate)");
  }

  Result<double> scan(std::uint64_t rows) override {
    const auto begin = Clock::now();
    sqlite3_stmt* statement = nullptr;
    sqlite3_prepare_v2(database_, "select * from ringcast_outbox", -1, &statement, nullptr);
    std::uint64_t seen = 0;
    std::size_t octets = 0;
    for (; sqlite3_step(statement) == SQLITE_ROW; ++seen)
      for (int i = 0; i < sqlite3_column_count(statement); ++i)
        if (sqlite3_column_blob(statement, i) != nullptr)
          octets += static_cast<std::size_t>(sqlite3_column_bytes(statement, i));
    sqlite3_finalize(statement);
    const double seconds = seconds_since(begin);
    if (seen != rows || octets == 0)
      return Error{Errc::unavailable, fmt::format("scanned {} rows of {}", seen, rows)};
    return seconds;
  }

  Result<void> rewind() override { return {}; }  // a daemon replays what is young

 private:
  static std::string note() {
    std::string text;
    for (int i = 0; i < 13; ++i) text += "mise en place ";
    return text;
  }
  Result<void> run(const std::string& sql) {
    if (sqlite3_exec(database_, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK) return {};
    return {Errc::unavailable, fmt::format("SQLite: {}", sqlite3_errmsg(database_))};
  }

  sqlite3* database_ = nullptr;
  bool ok_ = false;
};

}  // namespace

Result<std::unique_ptr<Backlog>> Backlog::open(const std::string& url) {
  if (url.starts_with("sqlite:")) {
    auto backlog = std::make_unique<SqliteBacklog>(url.substr(7));
    if (backlog->ok()) return std::unique_ptr<Backlog>(std::move(backlog));
  } else {
    auto backlog = std::make_unique<PostgresBacklog>(url);
    if (backlog->ok()) return std::unique_ptr<Backlog>(std::move(backlog));
  }
  return {Errc::unavailable, "the store can not be opened: " + url};
}

}  // namespace ringcast::bench
