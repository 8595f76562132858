// Rows that leave an SQLite outbox.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "store/sqlite_connection.hpp"

namespace ringcast {

// Which rows of `ringcast_outbox`. The newest one always stays, so that no id is ever unknown.
struct OldRows {
  std::int64_t before_ms = 0;  // made before then
  std::int64_t after_id = 0;
  bool settled = true;  // only those that were delivered and are no open dead letters
};

// Rows of one day, in the order of their ids, at most kOldRowsMax of them.
struct OldRowsPage {
  std::vector<std::int64_t> ids;
  std::string day;    // YYYYMMDD
  std::string lines;  // of the archive, if asked for
  bool more = false;
};

inline constexpr std::int64_t kOldRowsMax = 500;
inline constexpr std::size_t kOldRowsBytesMax = 1 << 20;  // of lines, besides at most one

enum class WithLines : std::uint8_t { no, yes };

// Looks from the oldest row on and ends at the first that is not old: ids are in the order of time.
[[nodiscard]] Result<OldRowsPage> read_old_rows(SqliteConnection& connection, const OldRows& which,
                                                WithLines with);

// One transaction. A row that became a dead letter since it was read stays.
Result<void> remove_rows(SqliteConnection& connection, const std::vector<std::int64_t>& ids);

}  // namespace ringcast
