// Connected TCP sockets over loopback, for limits that know no protocol.
#pragma once

#include <cstddef>
#include <vector>

#include "base/result.hpp"
#include "io/ring.hpp"

namespace ringcast::bench {

// Both ends of as many connections: one in the ring, as a server has it, one in plain hands,
// non-blocking. Thread: the ring's.
struct SocketPairs {
  std::vector<io::SocketId> servers;
  std::vector<io::FileDescriptor> clients;
};

Result<SocketPairs> connect_pairs(io::Ring& ring, std::size_t count);

}  // namespace ringcast::bench
