// A number of places that several threads take from.
#pragma once

#include <atomic>
#include <cstdint>

namespace ringcast {

// Thread: any. Not for the way of an event: accepting and closing a connection touch it, nothing
// else. Lives as long as the engine. Beyond places_max take() is false.
class Places final {
 public:
  explicit Places(std::uint32_t places_max) : places_max_(places_max) {}

  [[nodiscard]] bool take() {
    if (taken_.fetch_add(1, std::memory_order_relaxed) < places_max_) return true;
    give_back();
    return false;
  }
  void give_back() { taken_.fetch_sub(1, std::memory_order_relaxed); }

 private:
  std::atomic<std::uint32_t> taken_{0};
  std::uint32_t places_max_;
};

}  // namespace ringcast
