// bench_inprocess: the engine as a C++ program embeds it, started through its public interface in
// the process of the load generator, over real sockets. Google Benchmark runs it; the time of an
// iteration is the CPU of the shard's thread, and only if every delivery was verified.
#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "base/log.hpp"
#include "clients_process.hpp"
#include "engine_here.hpp"
#include "fanout/cpu_clock.hpp"
#include "fanout/limit.hpp"
#include "load/gathering.hpp"
#include "load/meter.hpp"

namespace ringcast::bench {

namespace {

constexpr std::size_t kWarmUpVisits = 26;  // see docs/benchmarks.md
constexpr int kLimitWarmUp = 32;
constexpr int kLimitRounds = 50;
constexpr std::size_t kSpareDescriptors = 200;

struct Load {
  BackendWish backend;
  Shape shape;
  std::size_t window;
};

// Publishes windows and waits until everybody has them.
Result<void> publish(Gathering& gathering, std::size_t window) {
  const std::uint64_t now = Gathering::now_ns();
  for (std::size_t i = 0; i < window; ++i) gathering.publish(now);
  if (auto sent = gathering.flush(); !sent) return sent;
  return gathering.settle(nullptr);
}

// The bare ring beside it, where everybody is in one room.
Result<double> limit_ns(const Load& load, std::size_t frame_bytes) {
  auto limit = Limit::open(load.shape.per_room);
  if (!limit) return limit.error();
  if (auto warm = (*limit)->run(frame_bytes, 1, kLimitWarmUp); !warm) return warm.error();
  return (*limit)->run(frame_bytes, load.window, kLimitRounds);
}

Result<void> deliver(benchmark::State& state, const Load& load) {
  auto engine = EngineHere::start(load.backend, load.shape.rooms * load.shape.per_room + 64);
  if (!engine) return engine.error();
  auto joined = Gathering::join(engine->port(), "native", load.shape);
  if (!joined) return joined.error();
  Gathering& gathering = **joined;
  auto cpu = CpuClock::of_thread(engine->shard_thread());
  if (!cpu) return cpu.error();
  const CpuClock softirq = CpuClock::of_ksoftirqd();
  for (std::size_t sent = 0; sent < kWarmUpVisits * std::max(load.shape.rooms, load.window);
       sent += load.window)
    if (auto done = publish(gathering, load.window); !done) return done;

  const std::uint64_t deliveries_before = gathering.deliveries();
  const std::uint64_t octets_before = gathering.octets();
  const std::uint64_t softirq_before = softirq.nanoseconds();
  std::uint64_t spent = 0;
  for (auto _ : state) {
    const std::uint64_t before = cpu->nanoseconds();
    if (auto done = publish(gathering, load.window); !done) return done;
    const std::uint64_t now = cpu->nanoseconds() - before;
    state.SetIterationTime(static_cast<double>(now) / 1e9);
    spent += now;
  }
  if (auto complete = gathering.check_complete(); !complete) return complete;
  const auto deliveries = static_cast<double>(gathering.deliveries() - deliveries_before);
  const double octets = static_cast<double>(gathering.octets() - octets_before) / deliveries;
  const double total =
      static_cast<double>(spent + softirq.nanoseconds() - softirq_before) / deliveries;
  state.counters["connections"] = static_cast<double>(gathering.size());
  state.counters["deliveries"] = deliveries;
  state.counters["octets"] = octets;
  state.counters["total_ns"] = total;
  if (load.shape.rooms > 1) return {};
  auto least = limit_ns(load, static_cast<std::size_t>(octets));
  if (!least) return least.error();
  state.counters["limit_ns"] = *least;
  state.counters["ratio"] = total / *least;
  return {};
}

// Octets that malloc has handed out, in all arenas and by mmap.
double allocated() {
  const auto info = ::mallinfo2();
  return static_cast<double>(info.uordblks + info.hblkhd);
}

// The clients are a child, so that what is allocated here is the engine's.
Result<void> idle(benchmark::State& state, const Load& load) {
  auto clients = ClientsProcess::fork();
  if (!clients) return clients.error();
  auto engine = EngineHere::start(load.backend, load.shape.per_room + 64);
  if (!engine) return engine.error();
  auto cpu = CpuClock::of_thread(engine->shard_thread());
  if (!cpu) return cpu.error();
  ::malloc_trim(0);  // what an earlier run freed would be used again, and not be counted
  const auto size = static_cast<double>(load.shape.per_room + 1);
  for (auto _ : state) {
    const std::uint64_t spent = cpu->nanoseconds();
    const Memory memory = memory_of({::getpid()});
    const double malloced = allocated();
    if (auto joined = clients->join(engine->port(), load.shape.per_room); !joined) return joined;
    state.SetIterationTime(static_cast<double>(cpu->nanoseconds() - spent) / 1e9);
    state.counters["malloc_bytes"] = (allocated() - malloced) / size;
    const Memory after = memory_of({::getpid()});
    state.counters["resident_bytes"] = (after.resident - memory.resident) / size;
    state.counters["anonymous_bytes"] = (after.anonymous - memory.anonymous) / size;
  }
  state.counters["connections"] = size;
  return {};
}

using Question = Result<void> (*)(benchmark::State&, const Load&);

// What is added runs later and counts itself in `failures` then.
struct Suite {
  bool small;
  std::size_t descriptors;
  int& failures;

  void add(const std::string& name, Question question, const Load& load, std::int64_t iterations);
  void add_all();
};

void Suite::add(const std::string& name, Question question, const Load& load,
                std::int64_t iterations) {
  benchmark::RegisterBenchmark(name.c_str(),
                               [question, load, &failures = failures](benchmark::State& state) {
                                 auto done = question(state, load);
                                 if (done) return;
                                 ++failures;
                                 state.SkipWithError(done.error().detail.c_str());
                               })
      ->Iterations(iterations)
      ->UseManualTime()
      ->Unit(benchmark::kMicrosecond);
}

// Both ends of the connections of a delivery are in this process.
void Suite::add_all() {
  const std::size_t one = small ? 10 : 1'000;
  const std::size_t rooms = small ? 3 : std::min(one, (descriptors - kSpareDescriptors) / 20);
  const std::size_t still = small ? 20 : std::min<std::size_t>(10'000, descriptors - 600);
  for (const auto& [name, backend] :
       {std::pair{"io_uring", BackendWish::io_uring}, std::pair{"epoll", BackendWish::epoll}}) {
    add(fmt::format("idle/{}", name), idle, {backend, {.per_room = still}, 0}, 1);
    add(fmt::format("one-room-w1/{}", name), deliver, {backend, {.per_room = one}, 1},
        small ? 2 : 300);
    add(fmt::format("one-room-w16/{}", name), deliver, {backend, {.per_room = one}, 16},
        small ? 2 : 300);
    add(fmt::format("rooms-of-10-w64/{}", name), deliver,
        {backend, {.rooms = rooms, .per_room = 10}, 64}, small ? 2 : 100);
  }
}

}  // namespace

}  // namespace ringcast::bench

int main(int argc, char** argv) {
  ringcast::log::configure(ringcast::log::Level::error, ringcast::log::Format::human);
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
  benchmark::Initialize(&argc, argv);
  bool small = false;
  CLI::App app("the engine in the generator's process; --benchmark_... are Google Benchmark's");
  app.add_flag("--small", small, "counts of ten: whether it works, not what it costs");
  CLI11_PARSE(app, argc, argv);
  int failures = 0;
  const auto descriptors = std::min<std::size_t>(files.rlim_max, 100'000);
  ringcast::bench::Suite{small, descriptors, failures}.add_all();
  const bool any = benchmark::RunSpecifiedBenchmarks() > 0;
  benchmark::Shutdown();
  return any && failures == 0 ? 0 : 1;
}
