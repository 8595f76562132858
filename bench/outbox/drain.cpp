#include "outbox/drain.hpp"

#include <fmt/format.h>

#include <chrono>
#include <optional>
#include <thread>

#include "outbox/subscriber.hpp"

namespace ringcast::bench {

namespace {

constexpr std::chrono::milliseconds kLook{20};
constexpr std::chrono::seconds kPatience{120};

struct Look {
  Clock::time_point at;
  std::uint64_t rows = 0;
  std::uint64_t cpu_ns = 0;
  std::uint64_t server_ns = 0;
};

Drain between(const Look& first, const Look& last) {
  const auto rows = static_cast<double>(last.rows - first.rows);
  const auto us_a_row = [rows](std::uint64_t from, std::uint64_t to) {
    return static_cast<double>(to - from) / 1e3 / rows;
  };
  return {.rows_a_second = rows / std::chrono::duration<double>(last.at - first.at).count(),
          .cpu_us_a_row = us_a_row(first.cpu_ns, last.cpu_ns),
          .server_us_a_row = us_a_row(first.server_ns, last.server_ns)};
}

Result<CpuClock> server_clock(const std::string& url) {
  auto database = Database::connect(url);
  if (!database) return database.error();
  auto process = database->server_process();
  if (!process) return process.error();
  return CpuClock::of_family(*process);
}

}  // namespace

Result<Drain> drain_to_subscriber(const Contender& contender, const Settings& settings) {
  // Before the program connects, so that its sessions are children yet to come.
  auto server = server_clock(contender.url);
  if (!server) return server.error();
  auto running = Running::start(contender, settings, true);
  if (!running) return running.error();
  auto clock = running->clock();
  if (!clock) return clock.error();
  auto socket = running->join();
  if (!socket) return socket.error();
  std::vector<Look> looks;
  const std::uint64_t mine = settings.rows / kTenants;
  Subscriber subscriber(std::move(socket).value(), {.rows = mine, .step = kTenants}, [&] {
    looks.push_back({.at = Clock::now(),
                     .rows = looks.empty() ? kTenants : mine * kTenants,
                     .cpu_ns = clock->nanoseconds(),
                     .server_ns = server->nanoseconds()});
  });
  if (auto opened = running->open_gate(); !opened) return opened.error();
  if (auto all = subscriber.finish(mine); !all) return all.error();
  return between(looks.front(), looks.back());
}

Result<Drain> drain_unheard(const Contender& contender, const Settings& settings) {
  auto running = Running::start(contender, settings, false);
  if (!running) return running.error();
  auto clock = running->clock();
  if (!clock) return clock.error();
  const ServerProcess& process = running->process();
  std::optional<Look> first;
  for (const auto begin = Clock::now(); Clock::now() - begin < kPatience;
       std::this_thread::sleep_for(kLook)) {
    const Look look{
        .at = Clock::now(),
        .rows = static_cast<std::uint64_t>(process.metric("ringcast_outbox_rows_total")),
        .cpu_ns = clock->nanoseconds()};
    if (look.rows > 0 && !first) first = look;
    if (look.rows < settings.rows) continue;
    if (look.rows != settings.rows || process.metric("ringcast_outbox_rows_failed_total") != 0)
      return Error{Errc::unavailable, "some rows failed or were read twice"};
    if (look.rows - first->rows < settings.rows / 2)
      return Error{Errc::unavailable, "too few rows to measure: most had gone at the first look"};
    return between(*first, look);
  }
  return Error{Errc::unavailable, fmt::format("not all of {} rows in 120 s", settings.rows)};
}

}  // namespace ringcast::bench
