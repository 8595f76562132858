// The statements of the window read, written for one set of leaves.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "message/outbox_row.hpp"
#include "pg/connection.hpp"
#include "pg/window_log.hpp"

namespace ringcast::pg {

// The only source that exists; a column, so that a second one needs no new schema.
inline constexpr const char* kSource = "outbox";

struct WindowSql {
  // Records what became visible since $4 and gives it back, in one statement. One row at least:
  // no (null: not recorded), snapshot, n, bytes, whether the leaves are right; then the row.
  // $1 source, $2 no, $3 epoch, $4 from, $5 rows, $6 bytes, $7 payload bytes, $8 until, $9 leaves.
  Statement record_new;
  // The id before the first row of a backlog. $1 from.
  Statement backlog_start;
  // Records the next rows between two snapshots, by id, and gives no, id_from, id_to, n, bytes and
  // more back, not the rows: they travel by a statement that holds the window for nobody.
  // $1 source, $2 no, $3 epoch, $4 from, $5 to, $6 after id, $7 rows, $8 until, $9 leaves.
  Statement record_backlog;
  // Ids and payload sizes of a recorded window. $1 first id, $2 last id, $3 from, $4 to.
  Statement index;
  // Rows of a recorded window, larger payloads left out. As index, and $5 payload bytes.
  Statement rows;
  // Count and age of what is committed and not read. $1 from, $2 to, $3 after id: rows visible in
  // `from` are read, and those in `to` up to the id.
  Statement unread;
};

// `generation` makes the names of the prepared statements differ from those for other leaves.
[[nodiscard]] WindowSql window_sql(std::span<const std::string> leaves, std::uint64_t generation);

// What read_row() reads. A payload above the limit, a bigint, is not fetched: its size is enough to
// say why the row fails.
[[nodiscard]] std::string row_columns(std::string_view limit);

// A row as `record_new` and `rows` give it, its columns beginning with `column`. No offset yet.
[[nodiscard]] OutboxRow read_row(const Rows& rows, std::size_t row, int column);

}  // namespace ringcast::pg
