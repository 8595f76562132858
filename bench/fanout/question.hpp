// The questions that bench_fanout answers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace ringcast::bench {

struct Settings {
  std::string server = "build/release/bin/ringcastd";
  std::string store;   // of the outbox scenario: a URL
  std::string folder;  // for what the run leaves behind
  std::size_t subscribers = 1'000;
  std::size_t idle = 9'000;  // outbox: further connections that only exist
  int repetitions = 5;
  int messages = 300;                                      // fanout: windows a repetition
  std::vector<std::string> backends{"io_uring", "epoll"};  // fanout
  std::uint32_t rows_a_second = 1'000;
  std::uint32_t seconds = 20;
  std::vector<std::string> server_arguments;
};

// Medians of the repetitions.
struct FanoutFigures {
  std::string backend;
  std::size_t window = 0;
  std::size_t frame_bytes = 0;
  double server_ns = 0;   // CPU of the server a delivered message
  double softirq_ns = 0;  // of ksoftirqd in the same time; below 0: not visible
  double limit_ns = 0;
  double ratio = 0;  // median of (server + softirq) / limit
  double messages_a_visit = 0;
  double deliveries_a_second = 0;
};
Result<std::vector<FanoutFigures>> fanout(const Settings& settings);

struct OutboxFigures {
  std::uint64_t rows = 0;
  std::uint64_t deliveries = 0;
  double seconds = 0;  // from the first commit to the last delivery
  double committed_a_second = 0;
  double p50_ms = 0;
  double p90_ms = 0;
  double p99_ms = 0;
  double p999_ms = 0;
  double max_ms = 0;
  double server_ns = 0;            // CPU of the server a delivered message
  double resident_bytes_idle = 0;  // a connection, before the first row
};
Result<OutboxFigures> outbox(const Settings& settings);

// Times from the moment when the daemon was told to stop.
struct RestartFigures {
  std::size_t subscribers = 0;  // who lost their connection, which is all
  std::size_t recovered = 0;    // of them, were told that nothing is missing
  std::uint64_t rows = 0;       // all of which everybody got
  std::uint64_t repeated = 0;   // deliveries that a client drops by their position
  double away_ms = 0;           // until the next daemon listened
  double subscribed_ms = 0;     // until the last one was subscribed again
  double caught_up_ms = 0;      // until the last one had every row committed meanwhile
};
Result<RestartFigures> restart(const Settings& settings);

}  // namespace ringcast::bench
