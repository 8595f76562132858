// CPU time as the scheduler accounts it. getrusage and /proc lose most of a long system call on
// some virtual machines (docs/benchmarks.md), so that a server which batches looks twice as good.
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "base/result.hpp"
#include "perf_counter.hpp"

namespace ringcast::bench {

// perf's task-clock, summed over threads. Thread: its owner's.
class CpuClock {
 public:
  static Result<CpuClock> of_process(pid_t process);
  // With all processes that it has started and will start.
  static Result<CpuClock> of_family(pid_t process);
  static Result<CpuClock> of_this_thread();
  static Result<CpuClock> of_thread(pid_t thread);
  // The kernel's threads that do a sender's network work while both CPUs are busy. Without threads
  // where this process can not see them; then visible() is false.
  static CpuClock of_ksoftirqd();

  [[nodiscard]] bool visible() const { return !counter_.empty(); }
  [[nodiscard]] std::uint64_t nanoseconds() const { return counter_.value(); }

 private:
  PerfCounter counter_{PerfEvent::task_clock()};
};

}  // namespace ringcast::bench
