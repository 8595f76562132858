// bench_fanout: what a delivery costs, and how long it takes. Prints a table for people and writes
// JSON for machines; a figure is printed only after every delivery was verified.
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/utsname.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "question.hpp"
#include "receive.hpp"
#include "slow.hpp"

namespace ringcast::bench {

namespace {

namespace fs = std::filesystem;

std::string first_line(const char* path, std::string_view begins_with) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);)
    if (line.starts_with(begins_with)) return line;
  return "unknown";
}

// Where and when the figures come from; the load is that of the machine before the run.
std::string machine_json() {
  utsname name{};
  ::uname(&name);
  double load[3] = {};
  ::getloadavg(load, 3);
  std::string cpu = first_line("/proc/cpuinfo", "model name");
  cpu = cpu.substr(cpu.find(':') == std::string::npos ? 0 : cpu.find(':') + 2);
  return fmt::format(R"({{"kernel":"{}","cpu":"{}","cpus":{},"load":[{:.1f},{:.1f},{:.1f}]}})",
                     name.release, cpu, std::thread::hardware_concurrency(), load[0], load[1],
                     load[2]);
}

void write_json(const fs::path& path, const std::string& machine, const std::string& results) {
  fs::create_directories(path.parent_path());
  std::ofstream(path) << fmt::format("{{\"machine\":{},\"results\":{}}}\n", machine, results);
  fmt::print("written: {}\n", path.string());
}

std::string show(const std::vector<FanoutFigures>& all, const Settings& settings) {
  fmt::print("{} subscribers, 128 octets of data, medians of {}; CPU ns a delivered message\n",
             settings.subscribers, settings.repetitions);
  fmt::print("{:>8} {:>8} {:>7} {:>9} {:>10} {:>8} {:>7} {:>9} {:>14}\n", "backend", "window",
             "frame", "server", "ksoftirqd", "limit", "ratio", "a visit", "deliveries/s");
  std::string json = "[";
  for (const FanoutFigures& f : all) {
    const std::string softirq = f.softirq_ns < 0 ? "?" : fmt::format("{:.0f}", f.softirq_ns);
    fmt::print("{:>8} {:>8} {:>7} {:>9.0f} {:>10} {:>8.0f} {:>7.2f} {:>9.1f} {:>14.0f}\n",
               f.backend, f.window, f.frame_bytes, f.server_ns, softirq, f.limit_ns, f.ratio,
               f.messages_a_visit, f.deliveries_a_second);
    json += fmt::format(
        R"({}{{"backend":"{}","subscribers":{},"window":{},"frame_bytes":{},"server_ns":{:.1f},"softirq_ns":{},)"
        R"("limit_ns":{:.1f},"ratio":{:.3f},"messages_a_visit":{:.2f},"deliveries_per_s":{:.0f}}})",
        json.size() == 1 ? "" : ",", f.backend, settings.subscribers, f.window, f.frame_bytes,
        f.server_ns, f.softirq_ns < 0 ? "null" : fmt::format("{:.1f}", f.softirq_ns), f.limit_ns,
        f.ratio, f.messages_a_visit, f.deliveries_a_second);
  }
  return json + "]";
}

std::string show(const OutboxFigures& f, const Settings& settings) {
  fmt::print("{} connections, {} of them in tenant:1, {} rows at {:.0f}/s\n",
             settings.subscribers + settings.idle, settings.subscribers, f.rows,
             f.committed_a_second);
  fmt::print(
      "{} deliveries verified in {:.1f} s, server {:.0f} ns each, {:.0f} octets resident a "
      "connection\n",
      f.deliveries, f.seconds, f.server_ns, f.resident_bytes_idle);
  fmt::print(
      "before the commit to the subscriber, ms: p50 {:.1f}  p90 {:.1f}  p99 {:.1f}  p99.9 "
      "{:.1f}  max {:.1f}\n",
      f.p50_ms, f.p90_ms, f.p99_ms, f.p999_ms, f.max_ms);
  return fmt::format(
      R"({{"connections":{},"subscribers":{},"rows":{},"rows_per_s":{:.1f},"deliveries":{},)"
      R"("seconds":{:.2f},"server_ns":{:.1f},"resident_bytes":{:.0f},"p50_ms":{:.2f},)"
      R"("p90_ms":{:.2f},"p99_ms":{:.2f},"p999_ms":{:.2f},"max_ms":{:.2f}}})",
      settings.subscribers + settings.idle, settings.subscribers, f.rows, f.committed_a_second,
      f.deliveries, f.seconds, f.server_ns, f.resident_bytes_idle, f.p50_ms, f.p90_ms, f.p99_ms,
      f.p999_ms, f.max_ms);
}

std::string show(const RestartFigures& f) {
  fmt::print(
      "{} subscribers, {} recovered, {} rows each, {} repeated; ms from the stop: listening "
      "{:.0f}, "
      "all subscribed {:.0f}, all caught up {:.0f}\n",
      f.subscribers, f.recovered, f.rows, f.repeated, f.away_ms, f.subscribed_ms, f.caught_up_ms);
  return fmt::format(
      R"({{"subscribers":{},"recovered":{},"rows":{},"repeated":{},"away_ms":{:.1f},)"
      R"("subscribed_ms":{:.1f},"caught_up_ms":{:.1f}}})",
      f.subscribers, f.recovered, f.rows, f.repeated, f.away_ms, f.subscribed_ms, f.caught_up_ms);
}

int run(const std::string& question, const Settings& settings, const fs::path& out) {
  const std::string machine = machine_json();
  fmt::print("{}\n", machine);
  std::string results;
  if (question == "fanout") {
    const auto figures = fanout(settings);
    if (!figures) return fmt::print(stderr, "fanout: {}\n", figures.error().detail), 1;
    results = show(figures.value(), settings);
  } else if (question == "slow" || question == "receive") {
    const auto figures = question == "slow" ? slow(settings) : receive(settings);
    if (!figures) return fmt::print(stderr, "{}: {}\n", question, figures.error().detail), 1;
    results = figures.value();
  } else if (question == "restart") {
    const auto figures = restart(settings);
    if (!figures) return fmt::print(stderr, "restart: {}\n", figures.error().detail), 1;
    results = show(figures.value());
  } else {
    const auto figures = outbox(settings);
    if (!figures) return fmt::print(stderr, "outbox: {}\n", figures.error().detail), 1;
    results = show(figures.value(), settings);
  }
  write_json(out, machine, results);
  return 0;
}

}  // namespace

}  // namespace ringcast::bench

int main(int argc, char** argv) {
  using namespace ringcast::bench;
  Settings settings;
  std::string question = "fanout";
  std::string out;
  CLI::App app("what a delivery costs, and how long it takes");
  app.add_option("question", question, "fanout, outbox, receive, restart or slow")
      ->check(CLI::IsMember({"fanout", "outbox", "receive", "restart", "slow"}));
  app.add_option("--server", settings.server, "the ringcastd to measure");
  app.add_option("--store", settings.store, "outbox: sqlite:PATH or postgresql://...");
  app.add_option("--subscribers", settings.subscribers);
  app.add_option("--idle", settings.idle, "outbox: further connections");
  app.add_option("--repetitions", settings.repetitions)->check(CLI::Range(1, 1'000));
  app.add_option("--messages", settings.messages, "fanout: windows a repetition");
  app.add_option("--engine", settings.backends, "fanout: io_uring, epoll; default: both")
      ->check(CLI::IsMember({"io_uring", "epoll"}));
  app.add_option("--rows", settings.rows_a_second, "outbox: rows a second, in hundreds");
  app.add_option("--seconds", settings.seconds, "outbox, slow: a round");
  app.add_option("--out", out, "JSON; default build/bench/QUESTION.json");
  app.add_option("server arguments", settings.server_arguments, "after --");
  CLI11_PARSE(app, argc, argv);
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
  char folder[] = "/tmp/ringcast-bench.XXXXXX";
  settings.folder = ::mkdtemp(folder);
  const int status =
      run(question, settings, out.empty() ? "build/bench/" + question + ".json" : out);
  std::filesystem::remove_all(settings.folder);
  return status;
}
