// A room at its home: what orders, numbers and keeps its events.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "hub/dedupe.hpp"
#include "hub/history.hpp"
#include "hub/presence.hpp"

namespace ringcast {

// The shards and, behind them, the ports that have subscribers of a room. Thread: home shard. At
// most kAddressesMax.
class ShardSet final {
 public:
  void add(ShardIndex shard) { bits_ |= std::uint64_t{1} << shard.value; }
  void remove(ShardIndex shard) { bits_ &= ~(std::uint64_t{1} << shard.value); }
  [[nodiscard]] bool empty() const { return bits_ == 0; }
  [[nodiscard]] friend ShardSet operator|(ShardSet a, ShardSet b) {
    a.bits_ |= b.bits_;
    return a;
  }
  [[nodiscard]] bool has(ShardIndex shard) const { return (bits_ >> shard.value & 1) != 0; }
  template <class Visit>
  void for_each(Visit visit) const {
    for (std::uint64_t left = bits_; left != 0; left &= left - 1)
      visit(ShardIndex{static_cast<std::uint32_t>(__builtin_ctzll(left))});
  }

 private:
  std::uint64_t bits_ = 0;
};

// One stream with its one writer.
//
// Thread: home shard. Lives in its Home from the first publish, subscribe or presence until nobody
// is in it and its history and keys have run out (room_idle_s). Bounded by history_size, dedupe_max
// and the connections that may join.
struct Room {
  // A shard that stood still: what it missed is made good when it drains again, and the room stays
  // until it was told.
  struct Behind {
    ShardIndex shard;
    Offset from;  // it has everything up to here
  };
  // A port in the audience: one of its subscriptions by name each time.
  struct InProcess {
    ShardIndex port;
    std::uint32_t subscriptions;
  };

  Room(std::string room, const NamespaceConfig& row, Position start)
      : name(std::move(room)),
        settings(&row),
        epoch(std::move(start.epoch)),
        last(start.offset),
        history(row.history == HistoryKind::none ? 0 : row.history_size,
                std::chrono::seconds(row.history_ttl_s), start.offset) {}

  [[nodiscard]] bool numbered() const { return settings->history != HistoryKind::none; }
  [[nodiscard]] bool stored() const { return settings->history == HistoryKind::store; }
  [[nodiscard]] bool unused() const {
    return audience.empty() && (!presence || presence->empty()) && history.size() == 0 && !dedupe &&
           behind.empty();
  }

  std::string name;
  const NamespaceConfig* settings;
  Epoch epoch;  // of `store` rooms: the source's, see Home
  Offset last;  // of the newest event
  History history;
  std::unique_ptr<Dedupe> dedupe;  // while it remembers something
  ShardSet audience;
  std::vector<InProcess> in_process;
  ShardSet watchers;                   // ports that have subscribed to a pattern which includes it
  std::unique_ptr<Presence> presence;  // since somebody joined
  std::vector<Behind> behind;
  std::optional<Instant> check_at;    // in Home's list of rooms to look at
  std::optional<Instant> idle_since;  // of a room that was unused when somebody looked
  bool presence_queued = false;       // in Home's list of rooms with something to announce
};

}  // namespace ringcast
