// Publishes into `store` rooms, written as plain rows, each key once.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/result.hpp"
#include "config/config.hpp"
#include "message/outbox_row.hpp"
#include "store/sqlite_connection.hpp"

namespace ringcast {

// A publisher's idempotency key or id holds within (room, publishing user) for the namespace's
// dedupe_window_s; beyond dedupe_max keys a room the oldest are forgotten. The row that the first
// publish wrote is what later ones are compared with, so the same key with other bytes is always
// found.
//
// Thread: outbox. Lives inside its store's open connection.
class SqlitePublish final {
 public:
  static Result<std::unique_ptr<SqlitePublish>> prepare(SqliteConnection& connection,
                                                        const Config& config);

  // One transaction. A row that is refused (CONFLICT, VALIDATION_ERROR) does not stop its
  // neighbours. While the database is busy or full every outcome is UNAVAILABLE.
  Result<std::vector<Result<Appended>>> append(std::span<const PlainRow> rows, const Epoch& epoch);

 private:
  SqlitePublish(SqliteConnection& connection, const Config& config)
      : connection_(connection), config_(config) {}

  Result<Appended> append_one(const PlainRow& row, const Epoch& epoch);
  void bind_row(const PlainRow& row);
  Result<std::optional<Appended>> find(const PlainRow& row, std::string_view key,
                                       const Epoch& epoch);
  Result<void> keep(const PlainRow& row, std::string_view key, std::int64_t outbox_id);
  Result<void> forget_old(std::span<const PlainRow> rows);

  SqliteConnection& connection_;
  const Config& config_;
  std::int64_t now_ms_ = 0;  // of the running append()
  SqliteStatement insert_;
  SqliteStatement find_;
  SqliteStatement keep_;
  SqliteStatement expire_;
  SqliteStatement trim_;
};

}  // namespace ringcast
