// The position log ringcast.reader_window: what was recorded, and a reader's place in it.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "message/outbox_row.hpp"
#include "pg/connection.hpp"

namespace ringcast::pg {

// Rows a window: the rank of a row takes the lower 13 bits of its offset.
inline constexpr std::uint32_t kWindowRowsMax = 8'191;
inline constexpr Offset kOffsetsPerWindow = 8'192;

// A row of the log; by default the place before the first, which has seen nothing.
struct RecordedWindow {
  std::int64_t no = 0;
  std::string epoch = {};
  std::string from = {};
  std::string to = "1:1:";
  std::int64_t id_from = 0;
  std::int64_t id_to = 0;
  std::uint64_t n = 0;
  std::uint64_t bytes = 0;
  bool more = false;

  [[nodiscard]] Offset top() const { return static_cast<Offset>(no) * kOffsetsPerWindow + n; }
  bool operator==(const RecordedWindow&) const = default;
};

// A row that begins with no, epoch, from, to, id_from, id_to, n, bytes, more.
[[nodiscard]] RecordedWindow recorded_at(const Rows& rows, std::size_t row);

// In their order, at most kWindowsAtOnce.
inline constexpr std::size_t kWindowsAtOnce = 64;
[[nodiscard]] Result<std::vector<RecordedWindow>> windows_after(Connection& connection,
                                                                std::int64_t no);

struct LogPlace {
  RecordedWindow cursor;          // the last window that counts as given
  std::int64_t replay_until = 0;  // the newest one
};

// Before the first window of `epoch` that is younger than `history`, as long as those that follow
// hold at most replay_bytes_max.
[[nodiscard]] Result<LogPlace> place_by_history(Connection& connection, const std::string& epoch,
                                                std::chrono::seconds history,
                                                std::uint64_t replay_bytes_max);

struct FoundAgain {
  std::string epoch;  // another than before: the numbering begins anew
  RecordedWindow cursor;
};

// On a new connection: whether the log still has the window at the cursor. If not, a new epoch is
// made, and the cursor is where the log ends that both have known. `epoch` is the database's.
[[nodiscard]] Result<FoundAgain> find_again(Connection& connection, const RecordedWindow& cursor,
                                            const std::string& known_epoch,
                                            const std::string& epoch);

// A window of another epoch: either that epoch has ended ours, or a daemon that did not know yet
// recorded it, and its rows are delivered under ours.
[[nodiscard]] Result<void> check_epoch(Connection& connection, const RecordedWindow& window,
                                       const std::string& epoch);

}  // namespace ringcast::pg
