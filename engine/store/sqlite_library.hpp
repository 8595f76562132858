// Which copy of SQLite this program calls.
#pragma once

namespace ringcast {

// A name that every copy of SQLite has, and the address of what the store calls by it: two copies
// in one process differ there. Thread: any.
inline constexpr const char* kSqliteSymbol = "sqlite3_open_v2";
[[nodiscard]] const void* sqlite_library();

}  // namespace ringcast
