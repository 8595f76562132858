// Which shard is home to a stream: everybody who sends to one must come to the same answer.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/ids.hpp"

namespace ringcast {

// FNV-1a over the name, its bits mixed because FNV's upper ones hardly depend on the last octets,
// then scaled onto `shards` (>= 1). Stable within a build, not a promise between versions: no
// position depends on it. Thread: any.
[[nodiscard]] constexpr ShardIndex home_shard(std::string_view room, std::uint32_t shards) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char c : room) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  hash = (hash ^ (hash >> 33)) * 0xff51afd7ed558ccdULL;
  hash = (hash ^ (hash >> 33)) * 0xc4ceb9fe1a85ec53ULL;
  return ShardIndex{static_cast<std::uint32_t>(((hash >> 32) * shards) >> 32)};
}

}  // namespace ringcast
