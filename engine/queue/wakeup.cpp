#include "queue/wakeup.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include "base/ensure.hpp"

namespace ringcast {

Wakeup::Wakeup() : fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  ensure(fd_ >= 0, "eventfd() failed: no descriptor left at start-up");
}

Wakeup::~Wakeup() { ::close(fd_); }

bool Wakeup::wake() {
  // Orders the enqueue before this look at the flag; its partner is park() before the last look at
  // the queue. Without it both sides could see the past, and the item would wait for the next wake.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (!parked_.load(std::memory_order_relaxed)) return false;
  // Many producers may meet one parked owner; the one that takes the flag down pays.
  if (!parked_.exchange(false, std::memory_order_acq_rel)) return false;
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(fd_, &one, sizeof one);
  return true;
}

void Wakeup::drain() {
  std::uint64_t count = 0;
  [[maybe_unused]] const auto read = ::read(fd_, &count, sizeof count);
}

}  // namespace ringcast
