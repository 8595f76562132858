#include "outbox/rows.hpp"

#include <fmt/format.h>
#include <sqlite3.h>

#include <chrono>

#include "outbox/database.hpp"

namespace ringcast::bench {

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

constexpr std::uint64_t kTransactionRows = 1'000;

// `now` is the database's.
std::string payload_sql(std::string_view now) {
  std::string note;
  for (int i = 0; i < 13; ++i) note += "mise en place ";
  return fmt::format(R"('{{"bn":' || n || ',"taskId":"task-' || n || '","employeeId":"employee-')"
                     R"( || (n % 977) || '","claimedAt":"' || {} || '","note":"{}"}}')",
                     now, note);
}

std::string event_sql() {
  return fmt::format("'KitchenTask', 'task-' || n, 'kitchen.task.claimed', convert_to({}, 'UTF8')",
                     payload_sql("clock_timestamp()"));
}

constexpr std::string_view kColumns = R"(
  id bigserial primary key, event_id uuid not null default gen_random_uuid(),
  tenant_id text not null, aggregate_type text not null, aggregate_id text not null,
  event_type text not null, occurred_at timestamptz not null default clock_timestamp(),
  payload bytea not null)";

// Both notify with every statement, since nothing tells their triggers who sleeps.
std::string schema_sql(Layout layout) {
  const auto notifying = [](std::string_view table, std::string_view payload) {
    return fmt::format(
        "create or replace function bench.notify_{0}() returns trigger language plpgsql as"
        " $$ begin perform pg_notify('bench_{0}', '{1}'); return null; end $$;"
        "create or replace trigger notify after insert on bench.{0}"
        " for each statement execute function bench.notify_{0}();",
        table, payload);
  };
  switch (layout) {
    case Layout::ringcast:
      return "select 1";
    case Layout::bare:
      return fmt::format(
          "create schema if not exists bench; create table if not exists bench.bare ({});"
          "create table if not exists bench.bare_delivered (last_id bigint not null);{}",
          kColumns, notifying("bare", ""));
    case Layout::skip_locked:
      return fmt::format(
          "create schema if not exists bench; create table if not exists bench.skip_locked ({},"
          " status text not null default 'pending', published_at timestamptz);"
          "create index if not exists pending on bench.skip_locked (id) where status = "
          "'pending';{}",
          kColumns, notifying("skip_locked", ""));
    case Layout::centrifugo:
      return fmt::format(
          "create schema if not exists bench; create table if not exists bench.centrifugo ("
          "id bigserial primary key, method text not null, payload jsonb not null,"
          " partition bigint not null default 0, created_at timestamptz not null default now());{}",
          notifying("centrifugo", "0"));
  }
  return {};
}

class PostgresRows final : public Rows {
 public:
  PostgresRows(Database database, Layout layout, int tenants)
      : database_(std::move(database)), layout_(layout), tenants_(tenants) {}

  Result<void> make_schema() { return run(schema_sql(layout_)); }

  Result<void> insert(std::uint64_t first, std::uint64_t end) override {
    const std::string from =
        fmt::format("from generate_series({}::bigint, {}::bigint) n", first, end - 1);
    if (layout_ == Layout::centrifugo)
      return run(fmt::format(
          "insert into bench.centrifugo (method, payload) select 'publish', json_build_object("
          "'channel', 'tenant:t' || (n % {}), 'data', ({})::json) {}",
          tenants_, payload_sql("clock_timestamp()"), from));
    return run(
        fmt::format("insert into {} (tenant_id, aggregate_type, aggregate_id, event_type, payload)"
                    " select 't' || (n % {}), {} {}",
                    table(), tenants_, event_sql(), from));
  }

  Result<void> fill(std::uint64_t rows) override {
    for (std::uint64_t first = 0; first < rows; first += kTransactionRows)
      if (auto done = insert(first, std::min(rows, first + kTransactionRows)); !done) return done;
    // One statement at a time: VACUUM takes no other beside it.
    if (auto done = run(fmt::format("vacuum analyze {}", table())); !done) return done;
    return run("checkpoint");
  }

  Result<void> clear() override {
    if (layout_ == Layout::bare) return run("truncate bench.bare, bench.bare_delivered");
    if (auto done = run(fmt::format("truncate {}", table())); !done) return done;
    return layout_ == Layout::ringcast ? rewind() : Result<void>{};
  }

  Result<double> scan(std::uint64_t rows) override {
    auto leaf = database_.run("select tableoid::regclass from ringcast.outbox limit 1");
    if (!leaf) return leaf.error();
    if (PQntuples(leaf->get()) != 1) return Error{Errc::unavailable, "the outbox is empty"};
    const std::string sql = fmt::format("copy {} to stdout (format binary)", cell(*leaf, 0, 0));
    const auto begin = Clock::now();
    if (auto started = database_.run(sql); !started) return started.error();
    std::uint64_t pieces = 0;
    PGconn* connection = database_.connection();
    for (char* row = nullptr; PQgetCopyData(connection, &row, 0) > 0; ++pieces) PQfreemem(row);
    while (PGresult* rest = PQgetResult(connection)) PQclear(rest);
    const double seconds = seconds_since(begin);
    // The trailer is a piece of its own.
    if (pieces != rows + 1)
      return Error{Errc::unavailable, fmt::format("copied {} rows of {}", pieces - 1, rows)};
    return seconds;
  }

  Result<void> rewind() override { return run("truncate ringcast.reader_window"); }

 private:
  [[nodiscard]] std::string_view table() const { return table_of(layout_); }
  Result<void> run(const std::string& sql) {
    auto done = database_.run(sql);
    if (!done) return done.error();
    return {};
  }

  Database database_;
  Layout layout_;
  int tenants_;
};

class SqliteRows final : public Rows {
 public:
  SqliteRows(const std::string& path, int tenants) : tenants_(tenants) {
    ok_ = sqlite3_open(path.c_str(), &database_) == SQLITE_OK;
    sqlite3_busy_timeout(database_, 5'000);
  }
  ~SqliteRows() override { sqlite3_close(database_); }
  SqliteRows(const SqliteRows&) = delete;
  SqliteRows& operator=(const SqliteRows&) = delete;
  [[nodiscard]] bool ok() const { return ok_; }

  Result<void> insert(std::uint64_t first, std::uint64_t end) override {
    // A day ahead, so that no repetition finds them too old to replay.
    return run(fmt::format(
        "with recursive s(n) as (select {} union all select n + 1 from s where n < {})"
        " insert into ringcast_outbox (tenant_id, aggregate_type, aggregate_id, event_type,"
        " created_at_ms, payload) select 't' || (n % {}), 'KitchenTask', 'task-' || n,"
        " 'kitchen.task.claimed', unixepoch() * 1000 + 86400000, {} from s",
        first, end - 1, tenants_, payload_sql("datetime('now')")));
  }

  Result<void> fill(std::uint64_t rows) override {
    for (std::uint64_t first = 0; first < rows; first += kTransactionRows)
      if (auto done = insert(first, std::min(rows, first + kTransactionRows)); !done) return done;
    return run("pragma wal_checkpoint(truncate)");
  }

  Result<void> clear() override { return run("delete from ringcast_outbox"); }

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
  Result<void> run(const std::string& sql) {
    if (sqlite3_exec(database_, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK) return {};
    return {Errc::unavailable, fmt::format("SQLite: {}", sqlite3_errmsg(database_))};
  }

  sqlite3* database_ = nullptr;
  int tenants_;
  bool ok_ = false;
};

}  // namespace

std::string_view table_of(Layout layout) {
  constexpr std::string_view kTables[] = {"ringcast.outbox", "bench.bare", "bench.skip_locked",
                                          "bench.centrifugo"};
  return kTables[static_cast<std::size_t>(layout)];
}

std::string insert_one_sql() {
  return fmt::format(
      "insert into ringcast.outbox (tenant_id, aggregate_type, aggregate_id, event_type, payload)"
      " select 't0', {} from (select $1::bigint) one(n)",
      event_sql());
}

Result<std::unique_ptr<Rows>> Rows::open(const std::string& url, Layout layout, int tenants) {
  if (url.starts_with("sqlite:")) {
    auto rows = std::make_unique<SqliteRows>(url.substr(7), tenants);
    if (rows->ok()) return std::unique_ptr<Rows>(std::move(rows));
    return {Errc::unavailable, "the store can not be opened: " + url};
  }
  auto database = Database::connect(url);
  if (!database) return database.error();
  auto rows = std::make_unique<PostgresRows>(std::move(database).value(), layout, tenants);
  if (auto made = rows->make_schema(); !made) return made.error();
  return std::unique_ptr<Rows>(std::move(rows));
}

}  // namespace ringcast::bench
