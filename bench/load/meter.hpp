// What a server spends, seen from outside: the same for every server.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <vector>

#include "base/result.hpp"
#include "fanout/cpu_clock.hpp"

namespace ringcast::bench {

struct Spent {
  double cpu_ns = 0;
  double softirq_ns = 0;  // of ksoftirqd; 0 where it is not visible
  double switches = 0;
};

// Counts all processes of one server from its construction on. Thread: its owner's.
class Meter {
 public:
  static Result<Meter> of(const std::vector<pid_t>& processes);
  [[nodiscard]] Spent spent() const;

 private:
  Meter() = default;
  PerfCounter cpu_{PerfEvent::task_clock()};
  PerfCounter switches_{PerfEvent::context_switches()};
  CpuClock softirq_ = CpuClock::of_ksoftirqd();
};

// Octets of the processes, from smaps_rollup.
struct Memory {
  double resident = 0;
  double anonymous = 0;  // heap and stacks: what it allocated and touched
};
[[nodiscard]] Memory memory_of(const std::vector<pid_t>& processes);

}  // namespace ringcast::bench
