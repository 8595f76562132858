// sqlite3 behind values: a connection, its prepared statements, its errors in words.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.hpp"

struct sqlite3;
struct sqlite3_stmt;

namespace ringcast {

// A prepared statement. Parameters are numbered from 1, columns from 0.
//
// Thread: that of its connection. Must end before its connection closes.
class SqliteStatement final {
 public:
  enum class Step : std::uint8_t { row, done };

  SqliteStatement() = default;

  // Bound text is copied by SQLite.
  SqliteStatement& bind(int parameter, std::int64_t value);
  SqliteStatement& bind(int parameter, std::string_view value);
  SqliteStatement& bind_null(int parameter);

  Result<Step> step();
  // Steps to the end and resets; rows are passed over.
  Result<void> run();
  // Ready for the next run, and no longer holding the database's read mark.
  void reset();

  [[nodiscard]] bool is_null(int column) const;
  [[nodiscard]] std::int64_t integer(int column) const;
  // Valid until the next step or reset. Empty for NULL.
  [[nodiscard]] std::string_view text(int column) const;

 private:
  friend class SqliteConnection;
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

// One connection to one file.
//
// Thread: one, the outbox thread or start-up. Every wait for another writer's lock ends after
// busy_timeout_ms; then the error is `rate_limited`: the database is there, only busy. Everything
// that says the connection or the file is of no use any more is `unavailable`; what waiting does
// not mend (not a database, no right to write) is `validation`.
class SqliteConnection final {
 public:
  SqliteConnection() = default;

  // Opens or creates `path`, in WAL mode with synchronous=FULL.
  static Result<SqliteConnection> open(const std::string& path, int busy_timeout_ms);

  // Opens a file that is there, in whatever mode it has.
  static Result<SqliteConnection> open_existing(const std::string& path, int busy_timeout_ms);

  [[nodiscard]] Result<SqliteStatement> prepare(std::string_view sql);
  Result<void> execute(const std::string& sql);  // one or several statements, without results
  [[nodiscard]] Result<std::int64_t> query_integer(std::string_view sql);  // 0 if there is no row
  // Another busy_timeout_ms from here on; 0: no waiting.
  void wait_at_most(int busy_timeout_ms);
  [[nodiscard]] std::int64_t last_insert_id() const;
  [[nodiscard]] bool in_transaction() const;

  // A mistake in the data of one statement (CHECK, NOT NULL, too long): the transaction goes on.
  [[nodiscard]] static bool is_mistake_in_data(const Error& error);

 private:
  static Result<SqliteConnection> open_with(const std::string& path, int busy_timeout_ms,
                                            int flags);
  struct Close {
    void operator()(sqlite3* connection) const;
  };
  std::unique_ptr<sqlite3, Close> connection_;
};

// A transaction that is rolled back unless commit() succeeded.
//
// Thread: that of its connection, which must outlive it.
class SqliteTransaction final {
 public:
  enum class Kind : std::uint8_t { read, write };  // write: takes the write lock at once

  static Result<SqliteTransaction> begin(SqliteConnection& connection, Kind kind);
  SqliteTransaction(SqliteTransaction&& other) noexcept;
  SqliteTransaction& operator=(SqliteTransaction&&) = delete;
  ~SqliteTransaction();
  Result<void> commit();

 private:
  explicit SqliteTransaction(SqliteConnection& connection) : connection_(&connection) {}
  SqliteConnection* connection_;  // null: ended
};

}  // namespace ringcast
