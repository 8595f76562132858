// What an SQLite file knows of rows that failed, and of those that wait behind them.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/result.hpp"
#include "store/holds.hpp"
#include "store/sqlite_connection.hpp"

namespace ringcast {

// StoreState::held. Thread: outbox, like the others.
[[nodiscard]] Result<std::vector<HeldRow>> sqlite_held_rows(SqliteConnection& connection,
                                                            Offset floor, Offset delivered);

// OutboxStore::fail(), end_holds() and put_back(): one transaction each, none if nothing is new.
[[nodiscard]] Result<void> fail_sqlite_rows(SqliteConnection& connection,
                                            std::span<const FailedRow> rows);
[[nodiscard]] Result<void> end_sqlite_holds(SqliteConnection& connection,
                                            std::span<const EndedHold> ended);
[[nodiscard]] Result<void> put_back_sqlite(SqliteConnection& connection,
                                           std::span<const std::int64_t> ids);

// In the caller's transaction: a row that is a copy of this one; its id, or none if there is no
// such row any more. Thread: any that owns the connection.
[[nodiscard]] Result<std::optional<std::int64_t>> copy_sqlite_row(SqliteConnection& connection,
                                                                  std::int64_t id);
// In the caller's transaction: a row that says that this one is withdrawn.
[[nodiscard]] Result<void> withdraw_sqlite_row(SqliteConnection& connection, std::int64_t id);

}  // namespace ringcast
