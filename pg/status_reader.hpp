// Status mode: rows are claimed, their positions written into them, and read by position.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>

#include "pg/reader.hpp"
#include "pg/window_log.hpp"

namespace ringcast::pg {

// Claims what nobody has claimed (ringcast.claim_window), which records a window as in the other
// mode, and gives all recorded windows in their order, whoever claimed them: so each daemon
// delivers every row, at one offset. A claim commits before its rows are read, so a crash in
// between leaves positions that do not change. Order within an aggregate: its hash partition is
// leased by one daemon at a time, which claims by id. Between partitions the lock on
// ringcast.progress decides: a window that commits later has the higher number.
//
// Thread: outbox. Lives as long as the store, over many connections. A window holds at most
// kPageBytesMax of payload that is fetched, besides one row. While another daemon has the lease of
// a partition, and for two seconds after it died, next() gives nothing of that partition.
class StatusReader final : public Reader {
 public:
  static constexpr std::uint64_t kPageBytesMax = 1ULL << 20;

  StatusReader(std::string node, std::uint64_t payload_bytes_max)
      : node_(std::move(node)), payload_bytes_max_(payload_bytes_max) {}

  Result<StoreState> start(Connection& connection, const std::string& epoch,
                           std::chrono::seconds history, std::uint64_t replay_bytes_max) override;
  Result<StoreState> resume(Connection& connection, const std::string& epoch) override;
  Result<Window> next(Connection& connection, OutboxStore::Read read, std::uint32_t limit) override;
  Result<Backlog> unread(Connection& connection) override;
  [[nodiscard]] bool replaying() const override { return cursor_.no < replay_until_; }
  Result<std::optional<std::string>> whole_leaf_scan(Connection& connection) override;
  [[nodiscard]] Xid seen_below() const override { return seen_below_; }

 private:
  enum class Claim : std::uint8_t { claimed, others, nothing };
  Result<Claim> claim(Connection& connection, std::uint32_t limit);
  Result<Window> read(Connection& connection, const RecordedWindow& window);
  [[nodiscard]] Window nothing_new() const;

  std::string node_;
  std::uint64_t payload_bytes_max_;
  std::string epoch_;
  RecordedWindow cursor_;  // the last window given
  Offset floor_ = 0;
  std::int64_t replay_until_ = 0;
  std::deque<RecordedWindow> ahead_;  // behind the cursor, as far as loaded
  bool behind_ = true;                // windows may be recorded that were not loaded
  bool left_over_ = false;            // the last claim left rows that it could have claimed
  std::int64_t own_no_ = 0;           // the window that this daemon claimed last
  Xid seen_below_ = 0;
};

}  // namespace ringcast::pg
