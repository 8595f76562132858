#include "queue/address_places.hpp"

#include <random>

#include "base/ensure.hpp"

namespace ringcast {

namespace {

std::uint64_t random_seed() {
  std::random_device device;
  return static_cast<std::uint64_t>(device()) << 32 | device();
}

}  // namespace

AddressPlaces::AddressPlaces(std::uint32_t places_max)
    : places_max_(places_max), seed_(random_seed()) {}

// The finisher of SplitMix64: no two addresses become one, and peers, who choose their addresses,
// can not choose the bucket.
std::uint64_t AddressPlaces::mixed(std::uint64_t address) const {
  std::uint64_t x = address ^ seed_;
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
  return x ^ x >> 31;
}

bool AddressPlaces::take(std::uint64_t address) {
  const std::uint64_t key = mixed(address);
  Part& part = part_of(key);
  const std::lock_guard lock(part.mutex);
  const auto found = part.taken.find(key);
  if (found == part.taken.end()) return places_max_ != 0 && part.taken.emplace(key, 1).second;
  if (found->second >= places_max_) return false;
  ++found->second;
  return true;
}

void AddressPlaces::give_back(std::uint64_t address) {
  const std::uint64_t key = mixed(address);
  Part& part = part_of(key);
  const std::lock_guard lock(part.mutex);
  const auto found = part.taken.find(key);
  ensure(found != part.taken.end(), "a place that nobody took");
  if (--found->second == 0) part.taken.erase(found);
}

std::size_t AddressPlaces::addresses() {
  std::size_t count = 0;
  for (Part& part : parts_) {
    const std::lock_guard lock(part.mutex);
    count += part.taken.size();
  }
  return count;
}

}  // namespace ringcast
