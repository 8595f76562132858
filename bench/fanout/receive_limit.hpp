// What the kernel allows for the other direction: a bare ring that receives, and answers.
#pragma once

#include <memory>

#include "base/result.hpp"

namespace ringcast::bench {

// Thread: its owner's.
class ReceiveLimit {
 public:
  static Result<std::unique_ptr<ReceiveLimit>> open(std::size_t sockets);
  virtual ~ReceiveLimit() = default;

  // CPU nanoseconds a socket and round: a client writes request_bytes at once to every socket, the
  // ring receives them, and sends answer_bytes where it got all (0: nothing). Another thread plays
  // the clients, at the same time, as they do for a server.
  virtual Result<double> run(std::size_t request_bytes, std::size_t answer_bytes, int rounds) = 0;
  // The same the other way round: the ring sends a ping of two octets to every socket and receives
  // the pongs of six.
  virtual Result<double> ping(int rounds) = 0;
};

}  // namespace ringcast::bench
