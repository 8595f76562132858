// Programs that take committed rows to a subscriber, started and joined alike.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "fanout/client_socket.hpp"
#include "fanout/cpu_clock.hpp"
#include "fanout/server_process.hpp"
#include "outbox/database.hpp"
#include "outbox/rows.hpp"

namespace ringcast::bench {

struct Settings {
  std::string server = "build/release/bin/ringcastd";
  std::string store;       // sqlite:PATH or postgresql://..., an empty one
  std::string centrifugo;  // the program; empty: left out
  std::uint64_t rows = 0;  // of a backlog
  int repetitions = 0;
  double seconds = 0;  // of a round at a steady rate
  std::uint32_t rate = 200;
  bool keep = false;  // drain: the rows are there already
  std::vector<std::string> arguments;
};

struct Contender {
  std::string name;
  Layout layout;
  std::string url;
  int batch = 1'000;  // bare, skip_locked: rows at once, at most
};

// A contender that runs. Thread: its owner's. Stopped by the destructor.
class Running {
 public:
  // With a gate nobody but Ringcast can read the table before open_gate(); Ringcast gives a late
  // subscriber what he missed.
  static Result<Running> start(const Contender& contender, const Settings& settings, bool gate);
  // In the room of tenant t0, from its first row.
  Result<ClientSocket> join();
  Result<void> open_gate();
  // All of its threads.
  Result<CpuClock> clock() const { return CpuClock::of_process(process_.pid()); }
  [[nodiscard]] const ServerProcess& process() const { return process_; }

 private:
  Running(const Contender& contender, ServerProcess process, std::optional<Database> gate)
      : layout_(contender.layout),
        url_(contender.url),
        gate_(std::move(gate)),
        process_(std::move(process)) {}
  Result<ClientSocket> join_ringcast();
  Result<ClientSocket> join_centrifugo();
  Layout layout_;
  std::string url_;
  std::optional<Database> gate_;
  ServerProcess process_;
};

// Makes the tables and waits until they are there.
Result<std::unique_ptr<Rows>> prepare(const Contender& contender, const Settings& settings,
                                      int tenants);

}  // namespace ringcast::bench
