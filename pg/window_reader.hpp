// The window read: what was committed, recorded as windows and read in their order.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "base/log.hpp"
#include "pg/connection.hpp"
#include "pg/leaves.hpp"
#include "pg/reader.hpp"
#include "pg/window_log.hpp"
#include "pg/window_sql.hpp"
#include "store/outbox_store.hpp"

namespace ringcast::pg {

// Reads the outbox by snapshot differences: a window holds the rows that one snapshot sees and the
// one before it did not, in the order of their ids. The window is a row of ringcast.reader_window
// before anybody delivers it, so its rows have the same offsets on every daemon and after every
// crash. The primary key (source, no) decides between daemons: who loses reads the winner's window.
//
// The cursor is no more than a copy of the last window that was given away. What is in memory only
// (a snapshot that no window has yet) is dropped with the connection, because after a crash of the
// server transaction numbers are used again.
//
// A backlog is read in a pipeline: while one window is delivered the server records the next but
// one and sends the rows of the next. What comes ahead of its time is only ever in the connection.
//
// Thread: outbox. Lives as long as the store, over many connections. A window with more payload
// than kPageBytesMax is given in parts, so that memory stays bounded; its parts have their offsets.
class WindowReader final : public Reader {
 public:
  // Payload fetched at once, besides at most one row.
  static constexpr std::uint64_t kPageBytesMax = 1ULL << 20;

  struct Limits {
    std::uint64_t window_bytes_max = 128ULL << 10;  // rows travel with the record up to here
    std::uint64_t payload_bytes_max = 64ULL << 10;  // larger payloads are not fetched
  };
  explicit WindowReader(const Limits& limits) : limits_(limits) {}

  // Puts the cursor before the first window of `epoch` that is younger than `history`, as long as
  // those that follow hold at most replay_bytes_max. Returns what is recoverable.
  Result<StoreState> start(Connection& connection, const std::string& epoch,
                           std::chrono::seconds history, std::uint64_t replay_bytes_max) override;

  // On a new connection: goes on behind the cursor if the log still has that window; else makes a
  // new epoch and goes on where the log ends that both have known.
  Result<StoreState> resume(Connection& connection, const std::string& epoch) override;

  Result<Window> next(Connection& connection, OutboxStore::Read read, std::uint32_t limit) override;
  Result<Backlog> unread(Connection& connection) override;

  Result<std::optional<std::string>> whole_leaf_scan(Connection& connection) override;

  [[nodiscard]] bool replaying() const override { return cursor_.no < replay_until_; }
  [[nodiscard]] Xid seen_below() const override { return seen_below_; }

 private:
  using Recorded = RecordedWindow;
  // A window that is given in parts.
  struct Parts {
    std::vector<std::int64_t> ids;
    std::vector<std::uint64_t> sizes;
    std::size_t given = 0;
  };

  Result<void> prepare(Connection& connection);
  Result<void> load_ahead(Connection& connection);
  Result<Window> read_recorded(Connection& connection, OutboxStore::Read read, std::uint32_t limit);
  Result<Window> read_whole(Connection& connection, const Recorded& window, OutboxStore::Read read,
                            std::uint32_t limit);
  Result<void> send_rows(Connection& connection, const Recorded& window);
  Result<void> send_record(Connection& connection, OutboxStore::Read read, std::uint32_t limit);
  Result<void> receive_record(Connection& connection);
  Result<Window> read_part(Connection& connection, const Recorded& window);
  Result<std::optional<Window>> record(Connection& connection, std::uint32_t limit);
  Result<std::optional<Window>> record_new(Connection& connection, std::uint32_t limit);
  Result<std::optional<Window>> record_backlog(Connection& connection, const Recorded& after,
                                               std::uint32_t limit);
  [[nodiscard]] Params backlog_params(const Recorded& after, std::uint32_t limit) const;
  void recorded_own(const Rows& rows, const Recorded& after);
  Result<std::int64_t> backlog_start(Connection& connection);
  Result<std::optional<Window>> after_failure(Connection& connection, const Error& error);

  void new_statements();
  void move_behind(const Recorded& window);
  void caught_up(std::string_view snapshot);
  [[nodiscard]] Window nothing_new() const;
  [[nodiscard]] bool known_more() const;
  [[nodiscard]] std::string from() const { return cursor_.more ? cursor_.from : cursor_.to; }

  Limits limits_;
  std::string epoch_;
  Recorded cursor_;  // the last window given
  Offset floor_ = 0;
  std::int64_t replay_until_ = 0;
  std::deque<Recorded> ahead_;  // recorded windows behind the cursor, as far as loaded
  std::optional<Parts> parts_;  // of ahead_.front()
  bool behind_ = true;          // others may have recorded windows that were not loaded
  // The last windows in a row that this daemon recorded.
  std::int64_t own_first_ = 0;
  std::int64_t own_last_ = 0;
  // Sent ahead on the connection, in this order: the record of the window behind ahead_.back(), the
  // rows of ahead_.front().
  bool record_sent_ = false;
  std::int64_t rows_sent_ = 0;  // of which window; 0: of none
  Xid seen_below_ = 0;
  Leaves leaves_;
  Instant leaves_at_{};  // when the catalog was looked at
  bool leaves_doubtful_ = true;
  WindowSql sql_;
  std::uint64_t generation_ = 0;
  bool statements_old_ = true;
  log::Limiter lock_warnings_;
};

}  // namespace ringcast::pg
