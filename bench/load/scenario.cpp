#include "scenario.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace ringcast::bench {

namespace {

double seconds_since(std::uint64_t begin) {
  return static_cast<double>(Gathering::now_ns() - begin) / 1e9;
}

// Windows: the next one goes out when everybody has the one before.
class Load {
 public:
  Load(const LoadSettings& settings, Gathering& gathering)
      : settings_(settings), gathering_(gathering) {}

  // By windows under any load: at ten publications a second the rest would be a long wait.
  Result<void> warm_up(std::size_t publications) {
    auto done = run_by_window(0, publications, nullptr);
    return done ? gathering_.check_complete() : done;
  }

  // At least as long, and at least as many publications.
  Result<void> run(double seconds, std::size_t publications, Latencies* latencies) {
    auto done = settings_.rate > 0 ? run_by_rate(seconds, publications, latencies)
                                   : run_by_window(seconds, publications, latencies);
    return done ? gathering_.check_complete() : done;
  }

 private:
  Result<void> run_by_window(double seconds, std::size_t publications, Latencies* latencies) {
    const std::uint64_t begin = Gathering::now_ns();
    for (std::size_t sent = 0; sent < publications || seconds_since(begin) < seconds;
         sent += settings_.window) {
      const std::uint64_t now = Gathering::now_ns();
      for (std::size_t i = 0; i < settings_.window; ++i) gathering_.publish(now);
      if (auto done = gathering_.flush(); !done) return done;
      if (auto done = gathering_.settle(latencies); !done) return done;
    }
    return {};
  }

  // At fixed times, whatever the server does: who falls behind shows in the latencies, which are
  // from the time when a publication was due.
  Result<void> run_by_rate(double seconds, std::size_t publications, Latencies* latencies) {
    const auto step = static_cast<std::uint64_t>(1e9 / settings_.rate);
    const auto count = std::max(publications, static_cast<std::size_t>(seconds * settings_.rate));
    std::uint64_t due = Gathering::now_ns() + step;
    for (std::size_t sent = 0; sent < count;) {
      const std::uint64_t now = Gathering::now_ns();
      if (now < due) {
        if (auto read = gathering_.read(std::chrono::nanoseconds(due - now), latencies); !read)
          return read;
        continue;
      }
      gathering_.publish(due);
      if (auto done = gathering_.flush(); !done) return done;
      ++sent;
      due += step;
    }
    return gathering_.settle(latencies);
  }

  const LoadSettings& settings_;
  Gathering& gathering_;
};

// In a part of its own: counting them makes each dearer.
Result<double> system_calls_each(const LoadSettings& settings, Gathering& gathering, Load& load) {
  if (settings.syscall_event == 0) return -1.0;
  PerfCounter calls(PerfEvent::system_calls(settings.syscall_event));
  for (const pid_t process : settings.processes)
    if (auto added = calls.add_process(process); !added) return -1.0;
  const std::uint64_t deliveries = gathering.deliveries();
  const std::uint64_t before = calls.value();
  if (auto done = load.run(settings.seconds / 4, settings.window, nullptr); !done)
    return done.error();
  return static_cast<double>(calls.value() - before) /
         static_cast<double>(gathering.deliveries() - deliveries);
}

// 0 where the server is none that counts them.
double sends_of(const LoadSettings& settings) {
  const bool ours = settings.protocol.starts_with("native") || settings.protocol == "sse";
  return ours ? metric_of(settings.port, "ringcast_sends_total") : 0;
}

struct Entered {
  std::unique_ptr<Gathering> gathering;
  double seconds = 0;
  double cpu_ns = 0;
  Memory before;
  Memory memory;  // more than before, of each connection
};

Memory each_since(const Memory& before, const Memory& now, double connections) {
  return {(now.resident - before.resident) / connections,
          (now.anonymous - before.anonymous) / connections};
}

Result<Entered> enter(const LoadSettings& settings) {
  Entered entered;
  auto meter = Meter::of(settings.processes);
  if (!meter) return meter.error();
  entered.before = memory_of(settings.processes);
  const std::uint64_t begin = Gathering::now_ns();
  auto gathering = Gathering::join(settings.port, settings.protocol, settings.shape);
  if (!gathering) return gathering.error();
  entered.gathering = std::move(gathering).value();
  const auto size = static_cast<double>(entered.gathering->size());
  entered.seconds = seconds_since(begin);
  const Spent spent = meter->spent();
  entered.cpu_ns = (spent.cpu_ns + spent.softirq_ns) / size;
  entered.memory = each_since(entered.before, memory_of(settings.processes), size);
  return entered;
}

std::string entered_json(const Entered& entered) {
  const auto size = static_cast<double>(entered.gathering->size());
  return fmt::format(R"("connections":{:.0f},"connects_per_s":{:.0f},"connect_cpu_ns":{:.0f},)"
                     R"("resident_bytes":{:.0f},"anonymous_bytes":{:.0f})",
                     size, size / entered.seconds, entered.cpu_ns, entered.memory.resident,
                     entered.memory.anonymous);
}

}  // namespace

Result<std::string> deliver(const LoadSettings& settings) {
  auto entered = enter(settings);
  if (!entered) return entered.error();
  Gathering& gathering = *entered->gathering;
  Load load(settings, gathering);
  // Counted in visits of a socket: one that gets a window's messages at once got one segment.
  const std::size_t warm_up = settings.warm_up * std::max(settings.shape.rooms, settings.window);
  if (auto warm = load.warm_up(warm_up); !warm) return warm.error();

  auto meter = Meter::of(settings.processes);
  if (!meter) return meter.error();
  Latencies latencies;
  const double sends_before = sends_of(settings);
  const std::uint64_t octets_before = gathering.octets();
  const std::uint64_t before = gathering.deliveries();
  const Spent spent_before = meter->spent();
  const std::uint64_t begin = Gathering::now_ns();
  const std::size_t least = settings.rate > 0 ? 0 : settings.rounds_min * settings.window;
  if (auto done = load.run(settings.seconds, least, &latencies); !done) return done.error();
  const double seconds = seconds_since(begin);
  const Spent spent = meter->spent();
  const auto deliveries = static_cast<double>(gathering.deliveries() - before);
  const double octets = static_cast<double>(gathering.octets() - octets_before) / deliveries;
  const double sends = (sends_of(settings) - sends_before) / deliveries;
  auto calls = system_calls_each(settings, gathering, load);
  if (!calls) return calls.error();
  const double softirq = (spent.softirq_ns - spent_before.softirq_ns) / deliveries;
  const double cpu = (spent.cpu_ns - spent_before.cpu_ns) / deliveries;
  return fmt::format(
      R"({{{},"deliveries":{:.0f},"seconds":{:.3f},"deliveries_per_s":{:.0f},"cpu_ns":{:.1f},)"
      R"("softirq_ns":{:.1f},"total_ns":{:.1f},"p50_ms":{:.4f},"p99_ms":{:.4f},"p999_ms":{:.4f},)"
      R"("octets":{:.1f},"sends":{:.6f},"switches":{:.6f},"syscalls":{:.6f}}})",
      entered_json(*entered), deliveries, seconds, deliveries / seconds, cpu, softirq,
      cpu + softirq, latencies.milliseconds(0.5), latencies.milliseconds(0.99),
      latencies.milliseconds(0.999), octets, sends,
      (spent.switches - spent_before.switches) / deliveries, *calls);
}

Result<std::string> idle(const LoadSettings& settings) {
  auto entered = enter(settings);
  if (!entered) return entered.error();
  auto meter = Meter::of(settings.processes);
  if (!meter) return meter.error();
  const Spent before = meter->spent();
  const std::uint64_t begin = Gathering::now_ns();
  while (seconds_since(begin) < settings.seconds)
    if (auto read = entered->gathering->read(std::chrono::milliseconds(100), nullptr); !read)
      return read.error();
  const Spent spent = meter->spent();
  // What was there for the arrival alone is given back by now.
  entered->memory = each_since(entered->before, memory_of(settings.processes),
                               static_cast<double>(entered->gathering->size()));
  return fmt::format(R"({{{},"idle_cpu_us_per_s":{:.1f},"idle_switches_per_s":{:.2f}}})",
                     entered_json(*entered),
                     (spent.cpu_ns - before.cpu_ns) / 1e3 / settings.seconds,
                     (spent.switches - before.switches) / settings.seconds);
}

}  // namespace ringcast::bench
