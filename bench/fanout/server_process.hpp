// A server of our own, in its own process.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace ringcast::bench {

// Stopped and waited for by the destructor. Thread: its owner's.
class ServerProcess {
 public:
  // Waits for the first line of its output, `listening on http://ADDRESS:PORT`.
  static Result<ServerProcess> launch(std::vector<std::string> command);
  // `ringcastd dev`. `more` are further arguments; port 0: a free one.
  static Result<ServerProcess> start(const std::string& binary, const std::string& store,
                                     const std::vector<std::string>& more, std::uint16_t port = 0);
  ServerProcess(ServerProcess&& other) noexcept;
  ServerProcess& operator=(ServerProcess&&) = delete;
  ~ServerProcess();

  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] std::uint16_t port() const { return port_; }
  // Resident memory, in octets.
  [[nodiscard]] std::uint64_t resident_bytes() const;
  // A counter of /metrics, summed over its labels; 0 if it is not there.
  [[nodiscard]] double metric(const std::string& name) const;

 private:
  ServerProcess(pid_t pid, int output, std::uint16_t port)
      : pid_(pid), output_(output), port_(port) {}
  pid_t pid_;
  int output_;
  std::uint16_t port_;
};

}  // namespace ringcast::bench
