// Strong ids: numbers that can not be mixed up.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>

namespace ringcast {

// What events are delivered to: shards and, numbered behind them, the ports of applications in this
// process (port.hpp). One set of bits holds them all.
inline constexpr std::uint32_t kPortsMax = 8;
inline constexpr std::uint32_t kAddressesMax = 64;
inline constexpr std::uint32_t kShardsMax = kAddressesMax - kPortsMax;

// A shard, or a port: index - shards of those.
struct ShardIndex {
  std::uint32_t value = 0;
  auto operator<=>(const ShardIndex&) const = default;
};

// A place in a slot_map. Any thread may carry it and compare it; only the owner of the map may look
// it up, and finds nothing once the thing is gone, because the generation has moved on.
struct SlotId {
  std::uint32_t index = 0;
  std::uint32_t generation = 0;  // 0: no such thing
  auto operator<=>(const SlotId&) const = default;
  explicit operator bool() const { return generation != 0; }
};

// As one number, for those who can hand on nothing else, and back.
[[nodiscard]] constexpr std::uint64_t number_of(SlotId id) {
  return std::uint64_t{id.generation} << 32U | id.index;
}
[[nodiscard]] constexpr SlotId slot_of(std::uint64_t number) {
  return {static_cast<std::uint32_t>(number), static_cast<std::uint32_t>(number >> 32U)};
}

// A connection as other shards and threads know it.
struct ConnectionId {
  ShardIndex shard;
  SlotId slot;
  auto operator<=>(const ConnectionId&) const = default;
};

// Specialised as true beside each type that may travel between threads (message/mail.hpp).
template <class T>
inline constexpr bool crosses_threads = false;

}  // namespace ringcast
