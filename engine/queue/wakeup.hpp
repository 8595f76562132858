// Waking a thread that sleeps, and only one that sleeps.
#pragma once

#include <atomic>
#include <cstdint>

namespace ringcast {

// The parked flag and the eventfd of one sleeping thread. A wake costs its caller 8-10 us, so it is
// paid only on the edge from idle to busy.
//
// Thread: wake() any; park(), unpark() and drain() the owner's. Lives as long as every Sender to
// it.
//
// The order that loses no wake: the owner sets the flag, then looks at its mailbox once more, then
// sleeps; a producer enqueues, then takes the flag down. Both change the one flag by a
// read-modify-write, so one of the two comes second and sees all that the first did before: the
// producer that the owner is parked, or the owner what was queued. A plain store and load would not
// do: either side could still see the past.
class Wakeup final {
 public:
  Wakeup();
  ~Wakeup();
  Wakeup(const Wakeup&) = delete;
  Wakeup& operator=(const Wakeup&) = delete;

  // Readable while a wake is pending. The owner watches it; drain() takes the wake off.
  [[nodiscard]] int fd() const { return fd_; }

  void park();
  void unpark() { parked_.store(false, std::memory_order_relaxed); }

  // After something was queued. Returns true if the owner had to be woken.
  bool wake();
  void drain();

 private:
  int fd_;
  std::atomic<bool> parked_{false};
};

}  // namespace ringcast
