// How long to wait before the next attempt.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <random>

namespace ringcast {

// 250 ms, doubled each time up to 10 s, of which a random half to whole is waited: clients that
// lost the same daemon must not all come back in the same moment.
//
// Thread: its owner's. Lives as long as the client.
class Backoff final {
 public:
  static constexpr std::chrono::milliseconds kFirst{250};
  static constexpr std::chrono::milliseconds kMax{10'000};

  [[nodiscard]] std::chrono::milliseconds next() {
    std::uniform_int_distribution<std::int64_t> jitter(step_.count() / 2, step_.count());
    const std::chrono::milliseconds wait(jitter(random_));
    step_ = std::min(step_ * 2, kMax);
    return wait;
  }
  void reset() { step_ = kFirst; }

 private:
  std::minstd_rand random_{std::random_device{}()};
  std::chrono::milliseconds step_ = kFirst;
};

}  // namespace ringcast
