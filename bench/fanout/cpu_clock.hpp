// CPU time as the scheduler accounts it. getrusage and /proc lose most of a long system call on
// some virtual machines (docs/benchmarks.md), so that a server which batches looks twice as good.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace ringcast::bench {

// perf's task-clock, summed over threads. Thread: its owner's.
class CpuClock {
 public:
  CpuClock() = default;
  CpuClock(CpuClock&& other) noexcept : events_(std::exchange(other.events_, {})) {}
  CpuClock& operator=(CpuClock&& other) noexcept {
    std::swap(events_, other.events_);
    return *this;
  }
  ~CpuClock();

  // All threads that the process has now, and those that they start.
  static Result<CpuClock> of_process(pid_t process);
  // The calling thread.
  static Result<CpuClock> of_this_thread();
  // The kernel's threads that do a sender's network work while both CPUs are busy. Without threads
  // where this process can not see them; then visible() is false.
  static CpuClock of_ksoftirqd();

  [[nodiscard]] bool visible() const { return !events_.empty(); }
  [[nodiscard]] std::uint64_t nanoseconds() const;

 private:
  Result<void> add(pid_t thread);
  std::vector<int> events_;
};

}  // namespace ringcast::bench
