// Connected TCP sockets over loopback, for limits that know no protocol.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "base/result.hpp"
#include "cpu_clock.hpp"
#include "io/ring.hpp"

namespace ringcast::bench {

// Both ends of as many connections: one in the ring, as a server has it, one in plain hands,
// non-blocking. Thread: the ring's.
struct SocketPairs {
  std::vector<io::SocketId> servers;
  std::vector<io::FileDescriptor> clients;
};

// A ring with nothing but its sockets, and the clock of the thread that made it.
struct BareRing {
  std::unique_ptr<io::Ring> ring;
  CpuClock clock;
  SocketPairs pairs;

  static Result<BareRing> open(std::size_t pairs);
};

}  // namespace ringcast::bench
