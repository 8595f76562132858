// liburing's queues: what is asked of the kernel, and what it answers.
#pragma once

#include <liburing.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/ids.hpp"
#include "base/result.hpp"
#include "io/ring.hpp"

namespace ringcast::io {

enum class Operation : std::uint8_t { cancel, accept, receive, writable, wake, send, probe };

// What an operation is about; travels through the kernel in user_data. The generation tells a late
// completion of a closed socket from one of the socket that has its place now.
struct OperationTag {
  Operation operation{};
  SlotId subject;  // index below 2^24

  static constexpr std::uint32_t kIndexMax = (1U << 24) - 1;
  [[nodiscard]] std::uint64_t pack() const;
  [[nodiscard]] static OperationTag unpack(std::uint64_t user_data);
};

struct Completion {
  OperationTag tag;
  int result = 0;
  std::uint32_t flags = 0;
  [[nodiscard]] bool more() const { return (flags & IORING_CQE_F_MORE) != 0; }
};

// One io_uring with SINGLE_ISSUER | DEFER_TASKRUN, or what the kernel has of them.
//
// Thread: the shard that made it. Bounded by the two queue sizes; a full submission queue is
// submitted, a full completion queue is emptied into the backlog, so callers meet neither.
class UringQueue {
 public:
  static Result<std::unique_ptr<UringQueue>> create(const RingOptions& options);
  ~UringQueue();
  UringQueue(const UringQueue&) = delete;
  UringQueue& operator=(const UringQueue&) = delete;

  // An entry to be prepared at once; the reference is good until the next call of any method.
  [[nodiscard]] io_uring_sqe& next_entry();

  // Asks to end the operation with exactly this tag; its last completion says how it ended.
  void cancel(OperationTag tag);

  // Returns when the kernel has consumed every entry (performance.md, rule 16).
  void submit();

  // Submits and waits for a completion; nullopt: without a limit. Returns early on a signal.
  void wait(std::optional<Nanos> timeout);

  // Submits and collects what has completed, without waiting; no system call if there is neither.
  void poll();

  [[nodiscard]] bool has_completions() const;

  // Nothing completes outside of the calls that wait or collect.
  [[nodiscard]] bool is_deferred() const { return (ring_.flags & IORING_SETUP_DEFER_TASKRUN) != 0; }
  // Nothing has completed that take() has not given.
  [[nodiscard]] bool is_drained() const {
    return !has_completions() && !io_uring_cq_has_overflow(&ring_);
  }

  // The oldest completions, at most `count_max`, valid until the next call.
  [[nodiscard]] std::span<const Completion> take(std::size_t count_max);

  // The completions of sends since the last call; whatever else has come waits for take().
  [[nodiscard]] std::span<const Completion> take_sends();

  [[nodiscard]] io_uring& raw() { return ring_; }
  [[nodiscard]] const std::string& setup() const { return setup_; }

 private:
  UringQueue() = default;
  [[nodiscard]] bool needs_kernel() const;
  void flush_overflow();
  void sort_completions();

  io_uring ring_{};
  bool open_ = false;
  std::string setup_;
  std::vector<Completion> batch_;
  std::vector<Completion> sends_;
  std::vector<Completion> backlog_;
  std::size_t backlog_taken_ = 0;
};

}  // namespace ringcast::io
