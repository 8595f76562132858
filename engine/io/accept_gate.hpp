// When a listener may be accepted from.
#pragma once

#include <cerrno>

#include "base/clock.hpp"

namespace ringcast::io {

enum class AcceptFailure {
  passing,    // this one connection is gone; go on
  exhausted,  // no descriptor or memory: the connection waits in the kernel, try again later
  broken,     // the listener itself: going on would spin
};

[[nodiscard]] constexpr AcceptFailure classify_accept_error(int error) {
  switch (error) {
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
      return AcceptFailure::exhausted;
    case EBADF:
    case EINVAL:
    case ENOTSOCK:
    case EOPNOTSUPP:
    case EFAULT:
      return AcceptFailure::broken;
    default:  // accept(2): errors of the new socket's network are to be treated like EAGAIN
      return AcceptFailure::passing;
  }
}

// Open, or shut by the caller (pause, resume), or shut by exhaustion until a retry is due.
//
// Thread: shard. Lives inside a ring.
class AcceptGate {
 public:
  static constexpr Nanos kRetryAfter = Millis{100};

  [[nodiscard]] bool open() const { return !paused_ && retry_at_ == Instant::max(); }
  [[nodiscard]] Instant retry_at() const { return paused_ ? Instant::max() : retry_at_; }
  void pause() { paused_ = true; }
  void resume() { paused_ = false; }
  void exhausted(Instant now) { retry_at_ = now + kRetryAfter; }

  // A descriptor became free, so waiting for the timer is no longer needed.
  void relieved() { retry_at_ = Instant::max(); }
  void tick(Instant now) {
    if (now >= retry_at_) relieved();
  }

 private:
  bool paused_ = false;
  Instant retry_at_ = Instant::max();
};

}  // namespace ringcast::io
