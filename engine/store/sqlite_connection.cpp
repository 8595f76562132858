#include "store/sqlite_connection.hpp"

#include <fmt/format.h>
#include <sqlite3.h>

#include <utility>

#include "base/ensure.hpp"

namespace ringcast {

namespace {

Error error_of(sqlite3* connection, int code) {
  const char* message = connection != nullptr ? sqlite3_errmsg(connection) : sqlite3_errstr(code);
  switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return {Errc::rate_limited, "store: another writer holds the database's lock for too long"};
    case SQLITE_CONSTRAINT:
    case SQLITE_TOOBIG:
    case SQLITE_MISMATCH:
      return {Errc::conflict, fmt::format("store: {}", message)};
    case SQLITE_NOTADB:
      return {Errc::validation, "store: the file is not an SQLite database"};
    case SQLITE_READONLY:
      return {Errc::validation, "store: the file or its folder is read-only"};
    case SQLITE_FULL:
      return {Errc::unavailable, "store: no space left for the database"};
    default:
      return {Errc::unavailable, fmt::format("store: {}", message)};
  }
}

}  // namespace

void SqliteStatement::Finalize::operator()(sqlite3_stmt* statement) const {
  sqlite3_finalize(statement);
}

SqliteStatement& SqliteStatement::bind(int parameter, std::int64_t value) {
  ensure(sqlite3_bind_int64(statement_.get(), parameter, value) == SQLITE_OK, "sqlite: bind");
  return *this;
}

SqliteStatement& SqliteStatement::bind(int parameter, std::string_view value) {
  // A null pointer would bind NULL, which is not the empty text.
  const char* data = value.data() != nullptr ? value.data() : "";
  ensure(sqlite3_bind_text64(statement_.get(), parameter, data, value.size(), SQLITE_TRANSIENT,
                             SQLITE_UTF8) == SQLITE_OK,
         "sqlite: bind");
  return *this;
}

SqliteStatement& SqliteStatement::bind_null(int parameter) {
  ensure(sqlite3_bind_null(statement_.get(), parameter) == SQLITE_OK, "sqlite: bind");
  return *this;
}

Result<SqliteStatement::Step> SqliteStatement::step() {
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return Step::row;
  if (code == SQLITE_DONE) return Step::done;
  Error error = error_of(sqlite3_db_handle(statement_.get()), code);
  reset();
  return error;
}

Result<void> SqliteStatement::run() {
  for (;;) {
    const auto stepped = step();
    if (!stepped) return stepped.error();
    if (*stepped == Step::done) break;
  }
  reset();
  return {};
}

void SqliteStatement::reset() { sqlite3_reset(statement_.get()); }

bool SqliteStatement::is_null(int column) const {
  return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL;
}

std::int64_t SqliteStatement::integer(int column) const {
  return sqlite3_column_int64(statement_.get(), column);
}

std::string_view SqliteStatement::text(int column) const {
  // The pointer first: asking for the text may convert the value, which changes its length.
  const auto* data = sqlite3_column_text(statement_.get(), column);
  if (data == nullptr) return {};
  return {reinterpret_cast<const char*>(data),
          static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column))};
}

void SqliteConnection::Close::operator()(sqlite3* connection) const {
  // _v2: statements that end after it would otherwise leak the connection.
  sqlite3_close_v2(connection);
}

Result<SqliteConnection> SqliteConnection::open_with(const std::string& path, int busy_timeout_ms,
                                                     int flags) {
  sqlite3* raw = nullptr;
  const int code = sqlite3_open_v2(
      path.c_str(), &raw,
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE | flags, nullptr);
  SqliteConnection opened;
  opened.connection_.reset(raw);
  if (code != SQLITE_OK) return error_of(raw, code);
  // SQLite falls back to reading alone when it may not write.
  if (sqlite3_db_readonly(raw, "main") != 0) return error_of(raw, SQLITE_READONLY);
  sqlite3_busy_timeout(raw, busy_timeout_ms);
  if (auto done = opened.execute("pragma synchronous=full"); !done) return done.error();
  return opened;
}

Result<SqliteConnection> SqliteConnection::open_existing(const std::string& path,
                                                         int busy_timeout_ms) {
  return open_with(path, busy_timeout_ms, 0);
}

Result<SqliteConnection> SqliteConnection::open(const std::string& path, int busy_timeout_ms) {
  auto made = open_with(path, busy_timeout_ms, SQLITE_OPEN_CREATE);
  if (!made) return made;
  SqliteConnection opened = std::move(made).value();
  auto mode = opened.prepare("pragma journal_mode=wal");
  if (!mode) return mode.error();
  if (const auto stepped = mode->step(); !stepped) return stepped.error();
  if (mode->text(0) != "wal")
    return {Errc::validation, fmt::format("store: the database can not use a write-ahead log, "
                                          "its journal_mode stays '{}'",
                                          mode->text(0))};
  mode->reset();
  return opened;
}

Result<SqliteStatement> SqliteConnection::prepare(std::string_view sql) {
  sqlite3_stmt* raw = nullptr;
  const int code = sqlite3_prepare_v3(connection_.get(), sql.data(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &raw, nullptr);
  if (code != SQLITE_OK) return error_of(connection_.get(), code);
  SqliteStatement statement;
  statement.statement_.reset(raw);
  return statement;
}

Result<void> SqliteConnection::execute(const std::string& sql) {
  const int code = sqlite3_exec(connection_.get(), sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return error_of(connection_.get(), code);
  return {};
}

Result<std::int64_t> SqliteConnection::query_integer(std::string_view sql) {
  auto statement = prepare(sql);
  if (!statement) return statement.error();
  const auto stepped = statement->step();
  if (!stepped) return stepped.error();
  return *stepped == SqliteStatement::Step::row ? statement->integer(0) : 0;
}

void SqliteConnection::wait_at_most(int busy_timeout_ms) {
  sqlite3_busy_timeout(connection_.get(), busy_timeout_ms);
}

std::int64_t SqliteConnection::last_insert_id() const {
  return sqlite3_last_insert_rowid(connection_.get());
}

bool SqliteConnection::in_transaction() const {
  return sqlite3_get_autocommit(connection_.get()) == 0;
}

bool SqliteConnection::is_mistake_in_data(const Error& error) {
  return error.code == Errc::conflict;
}

Result<SqliteTransaction> SqliteTransaction::begin(SqliteConnection& connection, Kind kind) {
  if (auto begun = connection.execute(kind == Kind::write ? "begin immediate" : "begin"); !begun)
    return begun.error();
  return SqliteTransaction(connection);
}

SqliteTransaction::SqliteTransaction(SqliteTransaction&& other) noexcept
    : connection_(std::exchange(other.connection_, nullptr)) {}

SqliteTransaction::~SqliteTransaction() {
  if (connection_ == nullptr || !connection_->in_transaction()) return;
  // Nothing to add to the error that led here; closing the connection rolls back as well.
  if (auto rolled_back = connection_->execute("rollback"); !rolled_back) return;
}

Result<void> SqliteTransaction::commit() {
  auto committed = connection_->execute("commit");
  if (committed) connection_ = nullptr;
  return committed;
}

}  // namespace ringcast
