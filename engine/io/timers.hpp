// What is due when, on one shard.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/clock.hpp"
#include "base/ids.hpp"

namespace ringcast::io {

using TimerId = SlotId;

// What the owner wants to know when the timer is due: `kind` is its own enumeration, `subject`
// mostly a connection.
struct TimerPayload {
  std::uint32_t kind = 0;
  SlotId subject;
};

// Timers of one shard in a binary heap: schedule, cancel and pop cost O(log n), and 40 octets a
// timer. Due ones come in order of their instants, equal instants in order of scheduling.
//
// Thread: shard. Knows no clock. At timers_max schedule() returns an id that is false.
class Timers {
 public:
  explicit Timers(std::uint32_t timers_max) : timers_max_(timers_max) {}

  [[nodiscard]] TimerId schedule(Instant when, TimerPayload payload);

  // Nothing happens if the timer was due or cancelled before.
  void cancel(TimerId id);

  // The next timer whose instant is not after `now`, removed; nothing if there is none. A timer
  // that is scheduled for `now` while these are popped is popped too.
  [[nodiscard]] std::optional<TimerPayload> pop_due(Instant now);

  // Instant::max() without timers.
  [[nodiscard]] Instant next_deadline() const;
  [[nodiscard]] std::size_t size() const { return heap_.size(); }

 private:
  struct Entry {
    Instant when;
    std::uint32_t order = 0;  // wraps: those of one instant are never 2^31 apart
    std::uint32_t slot = 0;
    [[nodiscard]] bool before(const Entry& other) const {
      if (when != other.when) return when < other.when;
      return static_cast<std::int32_t>(order - other.order) < 0;
    }
  };
  struct Slot {
    TimerPayload payload;
    std::uint32_t generation = 0;
    std::uint32_t position = 0;  // in the heap; kFree if there is none
  };
  static constexpr std::uint32_t kFree = UINT32_MAX;

  void put(std::size_t position, const Entry& entry);
  void sift_up(std::size_t position);
  void sift_down(std::size_t position);
  void remove(std::size_t position);

  std::uint32_t timers_max_;
  std::uint32_t order_ = 0;
  std::vector<Entry> heap_;
  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_;
};

}  // namespace ringcast::io
