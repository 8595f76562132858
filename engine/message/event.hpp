// The event: what is published, and what every stage of its way passes on.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

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

// Its text lies in the memory that make_events() put it into, and lives as long as that.
struct Event {
  Uuid id;
  std::string_view room;
  std::string_view type;
  std::string_view data;  // validated JSON without raw CR or LF
  WallTime time{};
  std::string_view exclude_user;  // this user does not get it, on any connection; empty: all do
  std::string_view key;           // conflation key; empty: none
  Offset offset = 0;              // set by the home shard, or by the source for `store` rooms
  WallTime written{};             // when its row was, by the store's clock; 0: it has no row
};

// Not numbered yet, hence with one owner.
using NewEvent = std::shared_ptr<Event>;
// What the home shard has numbered: immutable from then on, shared by history and all shards.
using EventRef = std::shared_ptr<const Event>;

// The events that `fields` make in each of `rooms`, side by side: the result points at the first.
// One allocation holds them and their text, and lives as long as a reference to any of them. With
// `data`, that is their data, referred to and not copied. Thread: any.
[[nodiscard]] NewEvent make_events(const Event& fields, std::span<const std::string_view> rooms,
                                   Payload data = nullptr);

}  // namespace ringcast
