#include "perf_counter.hpp"

#include <fmt/format.h>
#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

namespace ringcast::bench {

PerfEvent PerfEvent::task_clock() { return {PERF_TYPE_SOFTWARE, PERF_COUNT_SW_TASK_CLOCK}; }
PerfEvent PerfEvent::context_switches() {
  return {PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CONTEXT_SWITCHES};
}
PerfEvent PerfEvent::system_calls(std::uint64_t id) { return {PERF_TYPE_TRACEPOINT, id}; }

PerfCounter::~PerfCounter() {
  for (const int event : open_) ::close(event);
}

Result<void> PerfCounter::add(pid_t thread) {
  perf_event_attr attributes{};
  attributes.size = sizeof attributes;
  attributes.type = event_.type;
  attributes.config = event_.config;
  attributes.inherit = 1;
  const long event = ::syscall(SYS_perf_event_open, &attributes, thread, -1, -1, 0);
  if (event < 0)
    // A thread may end between its listing and here, and has nothing more to count.
    return {errno == ESRCH ? Errc::not_found : Errc::unavailable,
            fmt::format("perf_event_open of thread {}: {}", thread, std::strerror(errno))};
  open_.push_back(static_cast<int>(event));
  return {};
}

Result<void> PerfCounter::add_process(pid_t process) {
  std::error_code error;
  for (const auto& task :
       std::filesystem::directory_iterator(fmt::format("/proc/{}/task", process), error))
    if (auto added = add(std::stoi(task.path().filename()));
        !added && added.error().code != Errc::not_found)
      return added;
  if (error) return {Errc::not_found, fmt::format("there is no process {}", process)};
  return {};
}

std::uint64_t PerfCounter::value() const {
  std::uint64_t sum = 0;
  for (const int event : open_) {
    std::uint64_t value = 0;
    if (::read(event, &value, sizeof value) == sizeof value) sum += value;
  }
  return sum;
}

}  // namespace ringcast::bench
