// An input cut at places that look random and are the same each time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace ringcast {

// Pieces of 1 to 32 octets whose sizes depend on the octets, so that a fuzzer can move the cuts.
inline std::vector<std::string_view> pieces_of(std::string_view bytes) {
  std::uint64_t state = 0x9e3779b97f4a7c15U + bytes.size();
  std::vector<std::string_view> pieces;
  while (!bytes.empty()) {
    state = (state ^ static_cast<std::uint8_t>(bytes.front())) * 0x100000001b3U;
    pieces.push_back(bytes.substr(0, 1 + (state >> 32) % 32));
    bytes.remove_prefix(pieces.back().size());
  }
  return pieces;
}

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

}  // namespace ringcast
