// A number of places for each address, that several threads take from.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <unordered_map>

namespace ringcast {

// Thread: any. Not for the way of an event: accepting and closing a connection touch it, nothing
// else. Lives as long as the engine. An address with places_max of them gets no other; one without
// any takes no memory, so there are never more entries than places taken.
class AddressPlaces final {
 public:
  explicit AddressPlaces(std::uint32_t places_max);

  [[nodiscard]] bool take(std::uint64_t address);
  void give_back(std::uint64_t address);  // one that was taken
  [[nodiscard]] std::size_t addresses();  // those that hold a place

 private:
  // A lock each, so that shards that accept at the same time seldom meet.
  struct alignas(64) Part {
    std::mutex mutex;
    std::unordered_map<std::uint64_t, std::uint32_t> taken;  // by mixed address
  };

  [[nodiscard]] std::uint64_t mixed(std::uint64_t address) const;
  Part& part_of(std::uint64_t mixed) { return parts_[mixed >> 32 & (kParts - 1)]; }

  static constexpr std::size_t kParts = 16;
  std::uint32_t places_max_;
  std::uint64_t seed_;
  std::array<Part, kParts> parts_;
};

}  // namespace ringcast
