// What the kernel allows: a bare ring of sends of the same bytes to as many sockets.
#pragma once

#include <cstdint>
#include <memory>

#include "base/result.hpp"

namespace ringcast::bench {

// Thread: its owner's.
class Limit {
 public:
  static Result<std::unique_ptr<Limit>> open(std::size_t sockets);
  virtual ~Limit() = default;

  // CPU nanoseconds a message: `rounds` times `messages` frames of frame_bytes as one slice to
  // every socket; the receivers are drained between rounds, outside of the clock.
  virtual Result<double> run(std::size_t frame_bytes, std::size_t messages, int rounds) = 0;
};

}  // namespace ringcast::bench
