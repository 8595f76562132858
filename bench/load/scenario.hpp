// The loads that a server gets, and what is measured under each.
#pragma once

#include <string>
#include <vector>

#include "gathering.hpp"
#include "meter.hpp"

namespace ringcast::bench {

struct LoadSettings {
  std::string protocol = "native";
  std::uint16_t port = 0;
  std::vector<pid_t> processes;  // of the server
  Shape shape;
  std::size_t window = 1;           // publications in flight
  double rate = 0;                  // publications a second at fixed times; 0: by window
  double seconds = 1.5;             // at least
  std::size_t rounds_min = 20;      // of windows
  std::size_t warm_up = 26;         // visits of a connection before anything counts
  std::uint64_t syscall_event = 0;  // id of the tracepoint; 0: system calls are not counted
};

// Each gives a JSON object; an error if anything was lost, out of order or twice.
// Connects everybody, publishes, verifies.
Result<std::string> deliver(const LoadSettings& settings);
// Connects everybody, then nothing: memory and CPU of connections that only exist.
Result<std::string> idle(const LoadSettings& settings);

}  // namespace ringcast::bench
