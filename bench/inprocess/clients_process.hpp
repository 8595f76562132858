// Idle clients whose memory and descriptors are not this process's.
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "base/result.hpp"

namespace ringcast::bench {

// A child that connects and subscribes when it is told where, and then does nothing. To be forked
// while this process has one thread. Its connections end with the object. Thread: its owner's.
class ClientsProcess {
 public:
  static Result<ClientsProcess> fork();
  ClientsProcess(ClientsProcess&& other) noexcept;
  ClientsProcess& operator=(ClientsProcess&&) = delete;
  ~ClientsProcess();

  // Until `connections` are in one room, and one more that could publish there.
  Result<void> join(std::uint16_t port, std::size_t connections);

 private:
  ClientsProcess(pid_t pid, int orders, int answers)
      : pid_(pid), orders_(orders), answers_(answers) {}
  pid_t pid_;
  int orders_;
  int answers_;
};

}  // namespace ringcast::bench
