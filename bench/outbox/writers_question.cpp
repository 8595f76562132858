#include <fmt/format.h>

#include <optional>
#include <thread>

#include "outbox/crew.hpp"
#include "outbox/question.hpp"

namespace ringcast::bench {

namespace {

constexpr std::chrono::milliseconds kWarmUp{500};

// Its sessions in PostgreSQL: the reader and the listener.
Result<std::vector<CpuClock>> session_clocks(Database& database) {
  auto pids = database.run(
      "select pid from pg_stat_activity where application_name in ('ringcast',"
      " 'ringcast listener')");
  if (!pids) return pids.error();
  std::vector<CpuClock> clocks;
  for (int row = 0; row < PQntuples(pids->get()); ++row) {
    auto clock = CpuClock::of_process(std::atoi(PQgetvalue(pids->get(), row, 0)));
    if (!clock) return clock.error();
    clocks.push_back(std::move(clock).value());
  }
  return clocks;
}

// Who reads meanwhile, and what it costs.
struct Reading {
  Running running;
  CpuClock clock;
  std::vector<CpuClock> sessions;
  std::unique_ptr<Subscriber> subscriber;

  [[nodiscard]] double daemon_seconds() const {
    return static_cast<double>(clock.nanoseconds()) / 1e9;
  }
  [[nodiscard]] double session_seconds() const {
    double sum = 0;
    for (const CpuClock& one : sessions) sum += static_cast<double>(one.nanoseconds()) / 1e9;
    return sum;
  }
};

Result<std::optional<Reading>> begin_reading(const Settings& settings, Database& database,
                                             int writers, Reader reader) {
  if (reader == Reader::nobody) return std::optional<Reading>{};
  auto running = Running::start({"ringcast", Layout::ringcast, settings.store}, settings, false);
  if (!running) return running.error();
  auto socket = running->join();
  if (!socket) return socket.error();
  auto clock = running->clock();
  if (!clock) return clock.error();
  auto sessions = session_clocks(database);
  if (!sessions) return sessions.error();
  auto subscriber = std::make_unique<Subscriber>(
      std::move(socket).value(), Expected{.writers = static_cast<std::uint64_t>(writers)});
  return std::optional<Reading>(Reading{std::move(running).value(), std::move(clock).value(),
                                        std::move(sessions).value(), std::move(subscriber)});
}

}  // namespace

Result<Written> write_rows(const Settings& settings, int writers, Reader reader) {
  auto rows = Rows::open(settings.store, Layout::ringcast, 1);
  if (!rows) return rows.error();
  if (auto empty = (*rows)->clear(); !empty) return empty.error();
  auto database = Database::connect(settings.store);
  if (!database) return database.error();
  auto reading = begin_reading(settings, *database, writers, reader);
  if (!reading) return reading.error();
  auto crew = Crew::hire(settings.store, writers);
  if (!crew) return crew.error();
  (*crew)->begin();
  std::this_thread::sleep_for(kWarmUp);
  const auto begin = Clock::now();
  const std::uint64_t before = (*crew)->committed();
  const double daemon = *reading ? (*reading)->daemon_seconds() : 0;
  const double sessions = *reading ? (*reading)->session_seconds() : 0;
  std::this_thread::sleep_for(std::chrono::duration<double>(settings.seconds));
  const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  Written out{.commits_a_second = static_cast<double>((*crew)->committed() - before) / seconds};
  if (*reading) {
    out.daemon_share = ((*reading)->daemon_seconds() - daemon) / seconds;
    out.sessions_share = ((*reading)->session_seconds() - sessions) / seconds;
  }
  const auto committed = (*crew)->stop();
  if (!committed) return committed.error();
  if (*reading)
    if (auto all = (*reading)->subscriber->finish(*committed); !all) return all.error();
  return out;
}

namespace {

struct Round {
  Written untriggered;
  Written alone;
  Written read;
  Written burnt;
};

Result<Written> without_trigger(const Settings& settings, Database& database, int writers) {
  if (auto done = database.run("alter table ringcast.outbox disable trigger outbox_wake"); !done)
    return done.error();
  auto written = write_rows(settings, writers, Reader::nobody);
  if (auto done = database.run("alter table ringcast.outbox enable trigger outbox_wake"); !done)
    return done.error();
  return written;
}

// A disk is not the same from one second to the next, so every other round goes the other way.
Result<Round> ask_round(const Settings& settings, Database& database, int writers, bool backwards) {
  Round round;
  for (int step = 0; step < 3; ++step) {
    const int which = backwards ? 2 - step : step;
    auto written =
        which == 0 ? without_trigger(settings, database, writers)
                   : write_rows(settings, writers, which == 1 ? Reader::nobody : Reader::ringcast);
    if (!written) return written.error();
    (which == 0 ? round.untriggered : which == 1 ? round.alone : round.read) = *written;
    if (which != 2) continue;
    const Burner burner(written->daemon_share + written->sessions_share);
    auto burnt = write_rows(settings, writers, Reader::nobody);
    if (!burnt) return burnt.error();
    round.burnt = *burnt;
  }
  return round;
}

void add_round(Table& table, const std::string& row, const Round& round) {
  const auto& [untriggered, alone, read, burnt] = round;
  table.add(row, "commits/s, no trigger", untriggered.commits_a_second);
  table.add(row, "commits/s, trigger", alone.commits_a_second);
  table.add(row, "commits/s, Ringcast", read.commits_a_second);
  table.add(row, "commits/s, as much CPU taken", burnt.commits_a_second);
  table.add(row, "Ringcast to no trigger", read.commits_a_second / untriggered.commits_a_second);
  table.add(row, "Ringcast to trigger", read.commits_a_second / alone.commits_a_second);
  table.add(row, "Ringcast to CPU taken", read.commits_a_second / burnt.commits_a_second);
  table.add(row, "CPUs, the daemon", read.daemon_share);
  table.add(row, "CPUs, its sessions", read.sessions_share);
  fmt::print("  {:<10} {:.0f} {:.0f} {:.0f} {:.0f} commits/s, {:.2f} + {:.2f} CPUs\n", row,
             untriggered.commits_a_second, alone.commits_a_second, read.commits_a_second,
             burnt.commits_a_second, read.daemon_share, read.sessions_share);
}

}  // namespace

Result<Table> ask_writers(const Settings& settings) {
  const Contender ringcast{"ringcast", Layout::ringcast, settings.store};
  if (auto made = prepare(ringcast, settings, 1); !made) return made.error();
  auto database = Database::connect(settings.store);
  if (!database) return database.error();
  Table table;
  for (int i = 0; i < settings.repetitions; ++i) {
    for (const int writers : {1, 8, 24}) {
      const auto round = ask_round(settings, *database, writers, i % 2 != 0);
      if (!round) return round.error();
      add_round(table, fmt::format("{} writer{}", writers, writers == 1 ? "" : "s"), *round);
    }
  }
  return table;
}

}  // namespace ringcast::bench
