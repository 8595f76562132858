// Rows committed to a database, delivered to a tenant's room while thousands of other connections
// exist: how long from before the transaction to the subscriber?
#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "cpu_clock.hpp"
#include "crowd.hpp"
#include "question.hpp"
#include "row_writer.hpp"
#include "server_process.hpp"

namespace ringcast::bench {

namespace {

constexpr std::uint32_t kTransactionsASecond = 100;

std::uint64_t now_ns() {
  return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch() /
                                    std::chrono::nanoseconds(1));
}

// Latencies in buckets of 50 us up to 30 s: millions of samples, constant memory.
class Latencies {
 public:
  void add(std::uint64_t nanoseconds) {
    const std::size_t at = std::min(nanoseconds / kStep, std::uint64_t{kBuckets - 1});
    ++buckets_[at];
    ++count_;
    max_ = std::max(max_, nanoseconds);
  }
  [[nodiscard]] double milliseconds(double quantile) const {
    auto left = static_cast<std::uint64_t>(quantile * static_cast<double>(count_));
    for (std::size_t i = 0; i < kBuckets; ++i) {
      if (buckets_[i] > left) return static_cast<double>((i + 1) * kStep) / 1e6;
      left -= buckets_[i];
    }
    return max_ms();
  }
  [[nodiscard]] double max_ms() const { return static_cast<double>(max_) / 1e6; }

 private:
  static constexpr std::uint64_t kStep = 50'000;
  static constexpr std::size_t kBuckets = 600'000;
  std::vector<std::uint64_t> buckets_ = std::vector<std::uint64_t>(kBuckets);
  std::uint64_t count_ = 0;
  std::uint64_t max_ = 0;
};

// At a fixed rate, whatever the server does: who falls behind shows in the latency.
Result<void> write_rows(RowWriter& writer, const Settings& settings) {
  const std::uint32_t each = settings.rows_a_second / kTransactionsASecond;
  const std::uint32_t transactions = settings.seconds * kTransactionsASecond;
  auto due = std::chrono::steady_clock::now();
  for (std::uint32_t i = 0; i < transactions; ++i) {
    std::this_thread::sleep_until(due);
    if (auto done = writer.commit(std::uint64_t{i} * each, each, now_ns()); !done) return done;
    due += std::chrono::microseconds(1'000'000 / kTransactionsASecond);
  }
  return {};
}

struct Run {
  Latencies latencies;
  Result<void> written;
  double write_seconds = 0;
  double seconds = 0;
};

Result<void> deliver(Crowd& crowd, RowWriter& writer, const Settings& settings, Run& run) {
  const std::uint64_t rows = std::uint64_t{settings.rows_a_second / kTransactionsASecond} *
                             kTransactionsASecond * settings.seconds;
  const auto begin = std::chrono::steady_clock::now();
  const auto elapsed = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  };
  std::jthread thread([&] {
    run.written = write_rows(writer, settings);
    run.write_seconds = elapsed();
  });
  Result<void> read;
  std::uint64_t now = 0;
  while (crowd.deliveries() < rows * crowd.size() && read && elapsed() < settings.seconds + 60.0) {
    now = now_ns();
    read = crowd.read(Millis(100), [&](std::string_view message) {
      const std::uint64_t sent = number_after(message, "\"bt\":", 0);
      if (now < sent) now = now_ns();
      run.latencies.add(now - sent);
    });
  }
  run.seconds = elapsed();
  thread.join();
  if (!run.written) return run.written;
  if (!read) return read;
  return crowd.read_until(rows);
}

}  // namespace

Result<OutboxFigures> outbox(const Settings& settings) {
  const std::size_t connections = settings.subscribers + settings.idle + 64;
  std::vector<std::string> arguments{
      "--set", "limits.ping_interval_s=600",
      "--set", fmt::format("listen.connections_max={}", connections),
      "--set", fmt::format("listen.connections_per_address_max={}", connections)};
  arguments.insert(arguments.end(), settings.server_arguments.begin(),
                   settings.server_arguments.end());
  const std::string store =
      settings.store.empty() ? "sqlite:" + settings.folder + "/outbox.db" : settings.store;
  auto server = ServerProcess::start(settings.server, store, arguments);
  if (!server) return server.error();
  const double resident = static_cast<double>(server->resident_bytes());
  auto crowd = Crowd::join(server->port(), "tenant:1", settings.subscribers);
  if (!crowd) return crowd.error();
  auto idle = Crowd::join(server->port(), "", settings.idle);
  if (!idle) return idle.error();
  auto writer = RowWriter::open(store);
  if (!writer) return writer.error();
  auto cpu = CpuClock::of_process(server->pid());
  if (!cpu) return cpu.error();

  OutboxFigures figures;
  figures.resident_bytes_idle = (static_cast<double>(server->resident_bytes()) - resident) /
                                static_cast<double>(settings.subscribers + settings.idle);
  const std::uint64_t before = cpu->nanoseconds();
  Run run;
  if (auto done = deliver(**crowd, **writer, settings, run); !done) return done.error();
  const auto deliveries = static_cast<double>((*crowd)->deliveries());
  figures.server_ns = static_cast<double>(cpu->nanoseconds() - before) / deliveries;
  figures.deliveries = (*crowd)->deliveries();
  figures.rows = figures.deliveries / settings.subscribers;
  figures.seconds = run.seconds;
  figures.committed_a_second = static_cast<double>(figures.rows) / run.write_seconds;
  figures.p50_ms = run.latencies.milliseconds(0.5);
  figures.p90_ms = run.latencies.milliseconds(0.9);
  figures.p99_ms = run.latencies.milliseconds(0.99);
  figures.p999_ms = run.latencies.milliseconds(0.999);
  figures.max_ms = run.latencies.max_ms();
  return figures;
}

}  // namespace ringcast::bench
