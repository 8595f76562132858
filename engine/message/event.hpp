// The event: what is published, and what every stage of its way passes on.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/clock.hpp"
#include "message/uuid.hpp"

namespace ringcast {

// Where an event stands in its room. Offsets are below 2^53, strictly increasing within an epoch
// and not dense; 0 means "before everything" and, on an event, "this namespace has no history".
using Offset = std::uint64_t;
inline constexpr Offset kOffsetMax = (Offset{1} << 53) - 1;

// Opaque, without a dot, random: a new one whenever the numbering starts again.
using Epoch = std::string;

struct Position {
  Epoch epoch;
  Offset offset = 0;
  bool operator==(const Position&) const = default;
};

// A payload: validated JSON without raw CR or LF, owned once and shared by all who pass it on.
using Payload = std::shared_ptr<const std::string>;

struct Event {
  Uuid id;
  std::string room;
  std::string type;
  Payload data;
  WallTime time{};
  std::string exclude_user;  // this user does not get it, on any of his connections; empty: all do
  std::string key;           // conflation key; empty: none
  Offset offset = 0;         // set by the home shard, or by the source for `store` rooms
};

// What the home shard has numbered: immutable from then on, shared by history and all shards.
using EventRef = std::shared_ptr<const Event>;

}  // namespace ringcast
