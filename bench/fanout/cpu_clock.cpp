#include "cpu_clock.hpp"

#include <fmt/format.h>
#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

namespace ringcast::bench {

CpuClock::~CpuClock() {
  for (const int event : events_) ::close(event);
}

Result<void> CpuClock::add(pid_t thread) {
  perf_event_attr attributes{};
  attributes.size = sizeof attributes;
  attributes.type = PERF_TYPE_SOFTWARE;
  attributes.config = PERF_COUNT_SW_TASK_CLOCK;
  attributes.inherit = 1;
  const long event = ::syscall(SYS_perf_event_open, &attributes, thread, -1, -1, 0);
  if (event < 0)
    return {Errc::unavailable,
            fmt::format("perf_event_open of thread {}: {}", thread, std::strerror(errno))};
  events_.push_back(static_cast<int>(event));
  return {};
}

Result<CpuClock> CpuClock::of_process(pid_t process) {
  CpuClock clock;
  for (const auto& task :
       std::filesystem::directory_iterator(fmt::format("/proc/{}/task", process)))
    if (auto added = clock.add(std::stoi(task.path().filename())); !added) return added.error();
  return clock;
}

Result<CpuClock> CpuClock::of_this_thread() {
  CpuClock clock;
  if (auto added = clock.add(0); !added) return added.error();
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
    if (!clock.add(std::stoi(id))) return {};
  }
  return clock;
}

std::uint64_t CpuClock::nanoseconds() const {
  std::uint64_t sum = 0;
  for (const int event : events_) {
    std::uint64_t value = 0;
    if (::read(event, &value, sizeof value) == sizeof value) sum += value;
  }
  return sum;
}

}  // namespace ringcast::bench
