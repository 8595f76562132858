// What waits for one socket.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "message/batch.hpp"

namespace ringcast {

// A connection's slices of batches, in the order in which they go out.
//
// Thread: shard. Lives inside its Session. While the socket takes everything it holds the slices of
// one tick as bare pointers, one of them in place, and no memory else: the tick keeps their
// batches. Once the socket is blocked it holds on to what it was given, by reference, or by copy
// where the slice is less than a quarter of its batch. push() beyond bytes_max returns `full` and
// has added nothing, also while what it holds only waits for the next visit; what it holds already
// is never cut.
class SendQueue final {
 public:
  enum class Pushed : std::uint8_t { queued, full };

  SendQueue() = default;

  // Octets [begin, end) of the batch. An empty queue takes a slice of any size: a client that
  // recovers must be able to get more at once than a live one may fall behind.
  [[nodiscard]] Pushed push(const Batch& batch, std::uint32_t begin, std::uint32_t end,
                            std::uint64_t bytes_max);

  // Fills `parts` with what should be sent now, at most `parts_max` pieces. None if blocked().
  void gather(std::vector<iovec>& parts, std::size_t parts_max) const;

  // After the send of what gather() gave: all of it went out.
  void sent_all(std::size_t parts);
  // Only `octets` went out: the rest is held, and the queue is blocked until unblock().
  void sent_part(std::size_t octets);
  void unblock();

  [[nodiscard]] bool empty() const { return first_.batch == nullptr && !rest_; }
  [[nodiscard]] bool blocked() const { return rest_ && rest_->blocked; }
  // What it keeps alive while it waits: whole batches where it refers to them.
  [[nodiscard]] std::uint64_t pinned_bytes() const { return rest_ ? rest_->pinned : 0; }

 private:
  struct Slice {
    const Batch* batch = nullptr;
    std::uint32_t begin = 0;
    std::uint32_t end = 0;
    [[nodiscard]] std::size_t size() const { return end - begin; }
  };
  // Either a reference into a batch or an own copy.
  struct Held {
    std::shared_ptr<const Batch> batch;
    std::string copy;
    std::uint32_t begin = 0;
    std::uint32_t end = 0;
    std::uint64_t pinned = 0;  // as it was counted: a batch of answers still grows in its tick
    [[nodiscard]] std::string_view view() const;
  };
  struct Rest {
    std::vector<Slice> more;  // of this tick, after first_
    std::deque<Held> held;    // of earlier ticks; goes out before them
    std::uint64_t held_bytes = 0;
    std::uint64_t pinned = 0;
    bool blocked = false;
  };

  Rest& rest();
  void hold(const Slice& slice);
  void hold_this_tick();
  void drop_held(std::size_t octets);
  void drop_memory_if_idle();

  Slice first_;
  std::unique_ptr<Rest> rest_;
};

}  // namespace ringcast
