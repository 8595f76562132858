// bench_outbox: how fast a backlog is drained, beside a plain read of the same rows by the same
// database in the same run. Prints a table for people and writes JSON for machines.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include "fanout/median.hpp"
#include "fanout/server_process.hpp"
#include "outbox/backlog.hpp"
#include "outbox/drain.hpp"

namespace ringcast::bench {

namespace {

struct Settings {
  std::string server = "build/release/bin/ringcastd";
  std::string store;
  std::uint64_t rows = 1'000'000;
  int repetitions = 5;
  bool keep = false;
  std::vector<std::string> arguments;
};

struct Figures {
  std::string name;
  std::vector<double> rows_a_second;
  std::vector<double> ratio;
  std::vector<double> cpu_us_a_row;
  std::uint64_t delivered = 0;
};

double load() {
  double now[1] = {};
  ::getloadavg(now, 1);
  return now[0];
}

// The tables are made by a daemon that starts once on the empty store.
Result<std::unique_ptr<Backlog>> prepare(const Settings& settings) {
  {
    auto daemon = ServerProcess::start(settings.server, settings.store, {});
    if (!daemon) return daemon.error();
    for (int i = 0; daemon->metric("ringcast_outbox_ready") == 0; ++i) {
      if (i == 100) return Error{Errc::unavailable, "the daemon can not open the store"};
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
  }
  auto backlog = Backlog::open(settings.store);
  if (!backlog || settings.keep) return backlog;
  fmt::print("filling {} rows\n", settings.rows);
  if (auto filled = (*backlog)->fill(settings.rows); !filled) return filled.error();
  return backlog;
}

// A scan before each drain, so that both meet the same minute.
Result<std::vector<Figures>> measure(const Settings& settings, Backlog& backlog) {
  std::vector<Figures> all{{"no subscriber", {}, {}, {}}};
  const bool sqlite = settings.store.starts_with("sqlite:");
  // While SQLite's rows are replayed nobody can be subscribed.
  if (!sqlite) all.push_back({"one subscriber", {}, {}, {}});
  Figures limit{"limit", {}, {}, {}};
  std::vector<std::string> arguments = settings.arguments;
  if (sqlite) arguments.insert(arguments.end(), {"--set", "outbox.replay_bytes_max=68719476736"});
  for (int i = 0; i < settings.repetitions; ++i) {
    for (Figures& figures : all) {
      auto scanned = backlog.scan(settings.rows);
      if (!scanned) return scanned.error();
      if (auto done = backlog.rewind(); !done) return done.error();
      const double limit_rate = static_cast<double>(settings.rows) / *scanned;
      auto drained = drain(settings.server, settings.store, arguments, settings.rows,
                           &figures != &all.front());
      if (!drained) return drained.error();
      limit.rows_a_second.push_back(limit_rate);
      figures.rows_a_second.push_back(drained->rows_a_second);
      figures.ratio.push_back(drained->rows_a_second / limit_rate);
      figures.cpu_us_a_row.push_back(drained->cpu_us_a_row);
      figures.delivered = drained->delivered;
      fmt::print(
          "  {:<15} limit {:>9.0f} drain {:>9.0f} rows/s  ratio {:.3f}  {:.2f} us  load {:.1f}\n",
          figures.name, limit_rate, drained->rows_a_second, figures.ratio.back(),
          drained->cpu_us_a_row, load());
      std::fflush(stdout);
    }
  }
  all.push_back(std::move(limit));
  return all;
}

std::string show(const std::vector<Figures>& all, const Settings& settings, double load_before) {
  fmt::print("{} rows, medians of {}, load before {:.1f}\n", settings.rows, settings.repetitions,
             load_before);
  fmt::print("{:<15} {:>10} {:>7} {:>12} {:>10}\n", "", "rows/s", "ratio", "CPU us a row",
             "delivered");
  std::string json = "[";
  for (const Figures& f : all) {
    const double ratio = f.ratio.empty() ? 1 : median(f.ratio);
    const double cpu = f.cpu_us_a_row.empty() ? 0 : median(f.cpu_us_a_row);
    fmt::print("{:<15} {:>10.0f} {:>7.3f} {:>12.2f} {:>10}\n", f.name, median(f.rows_a_second),
               ratio, cpu, f.delivered);
    json += fmt::format(
        R"({}{{"name":"{}","rows":{},"rows_per_s":{:.0f},"ratio":{:.3f},"cpu_us":{:.3f}}})",
        json.size() == 1 ? "" : ",", f.name, settings.rows, median(f.rows_a_second), ratio, cpu);
  }
  return fmt::format("{{\"load\":{:.1f},\"results\":{}]}}\n", load_before, json);
}

int run(const Settings& settings, const std::string& out) {
  const double load_before = load();
  auto backlog = prepare(settings);
  if (!backlog) return fmt::print(stderr, "outbox: {}\n", backlog.error().detail), 1;
  const auto figures = measure(settings, **backlog);
  if (!figures) return fmt::print(stderr, "outbox: {}\n", figures.error().detail), 1;
  const std::string json = show(*figures, settings, load_before);
  const std::filesystem::path path(out);
  if (path.has_parent_path()) std::filesystem::create_directories(path.parent_path());
  std::ofstream(path) << json;
  fmt::print("written: {}\n", out);
  return 0;
}

}  // namespace

}  // namespace ringcast::bench

int main(int argc, char** argv) {
  using namespace ringcast::bench;
  Settings settings;
  std::string out = "build/bench/drain.json";
  CLI::App app("how fast a backlog of outbox rows is drained");
  app.add_option("--server", settings.server, "the ringcastd to measure");
  app.add_option("--store", settings.store, "sqlite:PATH or postgresql://..., an empty one")
      ->required();
  app.add_option("--rows", settings.rows)->check(CLI::Range(1'000, 100'000'000));
  app.add_option("--repetitions", settings.repetitions)->check(CLI::Range(1, 1'000));
  app.add_flag("--keep", settings.keep, "the rows are there already");
  app.add_option("--out", out, "JSON");
  app.add_option("server arguments", settings.arguments, "after --");
  CLI11_PARSE(app, argc, argv);
  return run(settings, out);
}
