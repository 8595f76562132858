#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <thread>

#include "outbox/question.hpp"
#include "outbox/subscriber.hpp"

namespace ringcast::bench {

namespace {

constexpr std::uint64_t kWarmUpRows = 100;

// For SQLite's file. Thread: its owner's.
struct Folder {
  Folder() { std::filesystem::create_directories(path); }
  ~Folder() { std::filesystem::remove_all(path); }
  const std::filesystem::path path =
      std::filesystem::temp_directory_path() / fmt::format("ringcast-bench.{}", ::getpid());
};

struct Latency {
  double p50_us = 0;
  double p99_us = 0;
  double commit_p50_us = 0;
};

double quantile(std::vector<double>& sorted, double of) {
  return sorted[static_cast<std::size_t>(of * static_cast<double>(sorted.size() - 1))];
}

// A row at a time at a fixed rate. Nanoseconds could be below zero: who listens is told while the
// commit's answer is under way.
Result<Latency> carry(const Contender& contender, Rows& rows, const Settings& settings) {
  if (auto empty = rows.clear(); !empty) return empty.error();
  auto running = Running::start(contender, settings, false);
  if (!running) return running.error();
  auto socket = running->join();
  if (!socket) return socket.error();
  const std::uint64_t count =
      kWarmUpRows + static_cast<std::uint64_t>(settings.seconds * settings.rate);
  Subscriber subscriber(std::move(socket).value(), {.rows = count});
  std::vector<Clock::time_point> begun;
  std::vector<Clock::time_point> returned;
  auto due = Clock::now();
  for (std::uint64_t row = 0; row < count; ++row) {
    std::this_thread::sleep_until(due += std::chrono::microseconds(1'000'000 / settings.rate));
    begun.push_back(Clock::now());
    if (auto done = rows.insert(row, row + 1); !done) return done.error();
    returned.push_back(Clock::now());
  }
  if (auto all = subscriber.finish(count); !all) return all.error();
  std::vector<double> waits;
  std::vector<double> commits;
  const auto micros = [](Clock::duration time) {
    return std::chrono::duration<double, std::micro>(time).count();
  };
  for (std::uint64_t row = kWarmUpRows; row < count; ++row) {
    waits.push_back(micros(subscriber.arrivals()[row] - returned[row]));
    commits.push_back(micros(returned[row] - begun[row]));
  }
  std::sort(waits.begin(), waits.end());
  std::sort(commits.begin(), commits.end());
  return Latency{quantile(waits, 0.5), quantile(waits, 0.99), quantile(commits, 0.5)};
}

}  // namespace

Result<Table> ask_latency(const Settings& settings) {
  const Folder folder;
  std::vector<Contender> all{{"bare", Layout::bare, settings.store},
                             {"ringcast", Layout::ringcast, settings.store},
                             {"ringcast, SQLite", Layout::ringcast,
                              fmt::format("sqlite:{}/latency.db", folder.path.string())}};
  if (!settings.centrifugo.empty())
    all.push_back({"Centrifugo", Layout::centrifugo, settings.store});
  std::vector<std::unique_ptr<Rows>> tables;
  for (const Contender& one : all) {
    auto rows = prepare(one, settings, 1);
    if (!rows) return rows.error();
    tables.push_back(std::move(rows).value());
  }
  Table table;
  for (int i = 0; i < settings.repetitions; ++i) {
    for (std::size_t k = 0; k < all.size(); ++k) {
      const auto found = carry(all[k], *tables[k], settings);
      if (!found) return Error{found.error().code, all[k].name + ": " + found.error().detail};
      table.add(all[k].name, "p50 us", found->p50_us);
      table.add(all[k].name, "p99 us", found->p99_us);
      table.add(all[k].name, "p50 to bare", found->p50_us / table.last("bare", "p50 us"));
      table.add(all[k].name, "p99 to bare", found->p99_us / table.last("bare", "p99 us"));
      table.add(all[k].name, "the commit itself, p50 us", found->commit_p50_us);
      fmt::print("  {:<18} p50 {:>6.0f} us  p99 {:>6.0f} us, the commit {:.0f} us\n", all[k].name,
                 found->p50_us, found->p99_us, found->commit_p50_us);
    }
  }
  return table;
}

}  // namespace ringcast::bench
