// The newest events of one room, for those who come back.
#pragma once

#include <boost/container/deque.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/clock.hpp"
#include "message/event.hpp"

namespace ringcast {

// Events in ascending offsets, at most size_max of them and none older than its ttl.
//
// Thread: home shard. Lives inside its Room. What is dropped raises the floor: from a position at
// or above it nothing is missing, even when nothing is held.
class History final {
 public:
  using Missed = std::shared_ptr<const std::vector<EventRef>>;

  History(std::uint32_t size_max, Millis ttl, Offset floor)
      : size_max_(size_max), ttl_(ttl), floor_(floor) {}

  void push(EventRef event, Instant now);
  void expire(Instant now);
  // Everything held is gone and numbering starts above `floor`.
  void restart(Offset floor);

  [[nodiscard]] Offset floor() const { return floor_; }
  [[nodiscard]] std::size_t size() const { return entries_.size(); }
  // When the oldest entry will have to go; none if nothing is held.
  [[nodiscard]] std::optional<Instant> next_expiry() const;

  // The events after `from`, if all of them are held and they are at most `count_max`. The list is
  // made once for all that ask from the same position before the next event.
  [[nodiscard]] std::optional<Missed> after(Offset from, std::uint32_t count_max);

  // The first events after `from`, or the newest; as many as both limits allow, and one at least.
  struct Page {
    std::vector<EventRef> events;
    bool more = false;  // behind the last one
  };
  [[nodiscard]] Page page(Offset from, std::uint32_t count_max, std::uint64_t bytes_max) const;
  [[nodiscard]] Page newest(std::uint32_t count_max, std::uint64_t bytes_max) const;

 private:
  struct Entry {
    EventRef event;
    Instant at;
  };
  void drop_front();

  std::uint32_t size_max_;
  Millis ttl_;
  Offset floor_;
  boost::container::deque<Entry> entries_;  // no memory while empty, unlike the standard's
  Offset cached_from_ = 0;
  Missed cached_;  // a reconnect storm asks the same thing a thousand times
};

}  // namespace ringcast
