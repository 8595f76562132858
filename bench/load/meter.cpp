#include "meter.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <fstream>
#include <string>

namespace ringcast::bench {

Result<Meter> Meter::of(const std::vector<pid_t>& processes) {
  Meter meter;
  for (const pid_t process : processes) {
    if (auto added = meter.cpu_.add_process(process); !added) return added.error();
    if (auto added = meter.switches_.add_process(process); !added) return added.error();
  }
  return meter;
}

Spent Meter::spent() const {
  return {static_cast<double>(cpu_.value()), static_cast<double>(softirq_.nanoseconds()),
          static_cast<double>(switches_.value())};
}

Memory memory_of(const std::vector<pid_t>& processes) {
  Memory memory;
  for (const pid_t process : processes) {
    std::ifstream rollup(fmt::format("/proc/{}/smaps_rollup", process));
    for (std::string line; std::getline(rollup, line);) {
      const double octets = std::strtod(line.c_str() + line.find(':') + 1, nullptr) * 1'024;
      if (line.starts_with("Rss:")) memory.resident += octets;
      if (line.starts_with("Anonymous:")) memory.anonymous += octets;
    }
  }
  return memory;
}

}  // namespace ringcast::bench
