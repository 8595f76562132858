// What the kernel counts for threads of this or another process.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "base/result.hpp"

namespace ringcast::bench {

struct PerfEvent {
  std::uint32_t type;
  std::uint64_t config;

  static PerfEvent task_clock();
  static PerfEvent context_switches();
  // `id` is that of the tracepoint raw_syscalls:sys_enter. While it is open every system call of
  // the machine costs more: never beside a clock.
  static PerfEvent system_calls(std::uint64_t id);
};

// One event of perf_event_open, summed over threads. Thread: its owner's.
class PerfCounter {
 public:
  explicit PerfCounter(PerfEvent event) : event_(event) {}
  PerfCounter(PerfCounter&& other) noexcept
      : event_(other.event_), open_(std::exchange(other.open_, {})) {}
  PerfCounter& operator=(PerfCounter&& other) noexcept {
    std::swap(event_, other.event_);
    std::swap(open_, other.open_);
    return *this;
  }
  ~PerfCounter();

  // A thread (0: the calling one), and those that it starts.
  Result<void> add(pid_t thread);
  // All threads that the process has now, and those that they start.
  Result<void> add_process(pid_t process);

  [[nodiscard]] bool empty() const { return open_.empty(); }
  [[nodiscard]] std::uint64_t value() const;

 private:
  PerfEvent event_;
  std::vector<int> open_;
};

}  // namespace ringcast::bench
