// What waits for one socket.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "hub/held_frames.hpp"
#include "message/batch.hpp"

namespace ringcast {

// A connection's slices of batches, in the order in which they go out.
//
// Thread: shard. Lives inside its Session. While the socket takes everything it holds the slices of
// one tick as bare pointers, one of them in place, and no memory else: the tick keeps their
// batches. What a socket does not take goes into a HeldFrames. push() beyond bytes_max drops there
// what may be dropped; returns `full` if that is not enough, and has then added nothing of a batch
// without labels.
class SendQueue final {
 public:
  enum class Pushed : std::uint8_t {
    queued,
    lossy,  // queued, and take_losses() says what was lost for it
    full,
  };

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
  // The room was joined again: what of it waits belongs to an earlier subscription.
  void cut(std::string_view room) {
    if (rest_) rest_->held.cut(room);
  }

  [[nodiscard]] bool empty() const { return first_.batch == nullptr && !rest_; }
  [[nodiscard]] bool blocked() const { return rest_ && rest_->blocked; }
  // What it keeps alive while it waits: whole batches where it refers to them.
  [[nodiscard]] std::uint64_t pinned_bytes() const {
    return rest_ ? rest_->held.pinned_bytes() : 0;
  }
  [[nodiscard]] bool has_losses() const { return rest_ && rest_->held.losses().any(); }
  [[nodiscard]] HeldFrames::Losses take_losses() {
    return rest_ ? rest_->held.take_losses() : HeldFrames::Losses{};
  }

 private:
  struct Slice {
    const Batch* batch = nullptr;
    std::uint32_t begin = 0;
    std::uint32_t end = 0;
    [[nodiscard]] std::uint32_t size() const { return end - begin; }
  };
  struct Rest {
    std::vector<Slice> more;  // of this tick, after first_
    HeldFrames held;          // of earlier ticks; goes out before them
    bool blocked = false;
  };

  Rest& rest();
  void add_to_tick(const Slice& slice);
  Pushed push_behind(const Slice& slice, std::uint64_t bytes_max);
  void hold_behind(std::uint64_t octets);
  void drop_memory_if_idle();

  Slice first_;
  std::unique_ptr<Rest> rest_;
};

}  // namespace ringcast
