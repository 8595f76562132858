// What a shard keeps of a connection that asks the application.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "hub/rate_limit.hpp"
#include "message/mail.hpp"

namespace ringcast {

// Thread: shard. Lives in its Session from the first question on, so that who never asks costs a
// pointer. Bounded by calls_per_connection_max and the number of handlers.
struct Caller {
  // What it has used of this handler's rate.
  RateMeter& meter(HandlerIndex handler) {
    for (auto& [index, used] : meters)
      if (index == handler) return used;
    return meters.emplace_back(handler, RateMeter()).second;
  }

  std::uint32_t open = 0;                // questions that wait for the application
  bool announced = false;                // its end will be told to the application
  std::shared_ptr<const RoomSet> rooms;  // for its calls; none: to be made again
  std::vector<std::pair<HandlerIndex, RateMeter>> meters;
};

}  // namespace ringcast
