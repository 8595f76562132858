// bench_load: puts one load on one server that is already running, and prints what that cost as
// JSON. bench/suite.py starts the servers and asks again and again.
#include <fmt/format.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>

#include "scenario.hpp"

int main(int argc, char** argv) {
  using namespace ringcast::bench;
  LoadSettings settings;
  bool only_idle = false;
  CLI::App app("one load on one running server; a figure only if every delivery was verified");
  app.add_option("--port", settings.port, "of the server, on 127.0.0.1")->required();
  app.add_option("--pid", settings.processes, "of the server, all of its processes")->required();
  app.add_option("--protocol", settings.protocol);
  app.add_option("--rooms", settings.shape.rooms)->check(CLI::PositiveNumber);
  app.add_option("--per-room", settings.shape.per_room, "subscribers")->check(CLI::PositiveNumber);
  app.add_option("--payload", settings.shape.payload_bytes, "octets of an event's data");
  app.add_flag("--rows", settings.shape.rows,
               "an event's data is JSON rows, as applications have them");
  app.add_flag("--members-publish", settings.shape.members_publish, "else one connection does");
  app.add_option("--window", settings.window, "publications in flight")->check(CLI::PositiveNumber);
  app.add_option("--rate", settings.rate, "publications a second, instead of a window");
  app.add_option("--seconds", settings.seconds, "at least");
  app.add_option("--rounds", settings.rounds_min, "windows, at least");
  app.add_option("--warm-up", settings.warm_up, "visits of a connection");
  app.add_option("--syscall-event", settings.syscall_event,
                 "id of raw_syscalls:sys_enter, to count system calls");
  app.add_flag("--idle", only_idle, "connect and do nothing");
  CLI11_PARSE(app, argc, argv);
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
  if (settings.shape.members_publish) settings.window = 1;
  const auto figures = only_idle ? idle(settings) : deliver(settings);
  if (!figures) {
    fmt::print(stderr, "bench_load: {}\n", figures.error().detail);
    return 1;
  }
  fmt::print("{}\n", *figures);
  return 0;
}
