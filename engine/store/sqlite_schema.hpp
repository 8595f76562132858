// The tables in an application's SQLite file, and who may number in them.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.hpp"
#include "config/config.hpp"
#include "message/event.hpp"
#include "store/sqlite_connection.hpp"

namespace ringcast {

inline constexpr std::int64_t kSqliteSchemaVersion = 5;

// What tells one opening of a file from another: where a row was numbered before, it must never be
// numbered again within the same epoch.
struct SqliteOrigin {
  std::string daemon;   // of this opening, random
  std::string boot_id;  // of the running kernel
  std::string inode;    // of the file
};

// Brings the tables to this version, one step after the other in one transaction, or checks that
// they have it (`check`), or believes it (`off`).
// `path` is for the error's sentence. Thread: outbox.
Result<void> migrate_sqlite(SqliteConnection& connection, StoreConfig::Migrate migrate,
                            const std::string& path, std::int64_t newest = kSqliteSchemaVersion);

// Enters the opening and returns the epoch, a new one if ids may have been given twice: the tables
// are new, the file is another one than before, or a daemon of an earlier boot has not left in
// order (rows that it delivered may have been lost by a power failure, where a writer does not use
// synchronous=FULL). Thread: outbox.
Result<Epoch> enter_sqlite(SqliteConnection& connection, const SqliteOrigin& origin);

// A new epoch in place of `expected`; the one that is there if another daemon was first. For a
// database whose numbering has gone back while it was open. Thread: outbox.
Result<Epoch> renew_sqlite_epoch(SqliteConnection& connection, const Epoch& expected);

// Leaves in order. Thread: outbox.
Result<void> leave_sqlite(SqliteConnection& connection, const SqliteOrigin& origin);

}  // namespace ringcast
