#include "queue/wakeup.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include "base/ensure.hpp"

namespace ringcast {

Wakeup::Wakeup() : fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  ensure(fd_ >= 0, "eventfd() failed: no descriptor left at start-up");
}

Wakeup::~Wakeup() { ::close(fd_); }

void Wakeup::park() { parked_.exchange(true, std::memory_order_acq_rel); }

bool Wakeup::wake() {
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
