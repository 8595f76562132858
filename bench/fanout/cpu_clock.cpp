#include "cpu_clock.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace ringcast::bench {

Result<CpuClock> CpuClock::of_process(pid_t process) {
  CpuClock clock;
  if (auto added = clock.counter_.add_process(process); !added) return added.error();
  return clock;
}

Result<CpuClock> CpuClock::of_family(pid_t process) {
  auto clock = of_process(process);
  if (!clock) return clock;
  std::ifstream children(fmt::format("/proc/{0}/task/{0}/children", process));
  for (pid_t child = 0; children >> child;)
    // One that has just ended has nothing to count.
    if (auto added = clock->counter_.add_process(child);
        !added && added.error().code != Errc::not_found)
      return added.error();
  return clock;
}

Result<CpuClock> CpuClock::of_this_thread() { return of_thread(0); }

Result<CpuClock> CpuClock::of_thread(pid_t thread) {
  CpuClock clock;
  if (auto added = clock.counter_.add(thread); !added) return added.error();
  return clock;
}

CpuClock CpuClock::of_ksoftirqd() {
  CpuClock clock;
  for (const auto& process : std::filesystem::directory_iterator("/proc")) {
    const std::string id = process.path().filename();
    if (id.find_first_not_of("0123456789") != std::string::npos) continue;
    std::string name;
    std::getline(std::ifstream(process.path() / "comm") >> std::ws, name);
    if (!name.starts_with("ksoftirqd/")) continue;
    if (!clock.counter_.add(std::stoi(id))) return {};
  }
  return clock;
}

}  // namespace ringcast::bench
