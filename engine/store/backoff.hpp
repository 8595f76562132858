// When to try again what failed for a reason that passes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <random>

#include "base/clock.hpp"

namespace ringcast {

// Exponential back-off with full jitter: after the n-th failure in a row a random time of up to
// first * 2^(n-1), at most `most`; so that those who lost the same database or daemon together do
// not come back together. The same seed gives the same times.
//
// Thread: its owner's. Lives as long as what is tried. No limit of attempts: whoever tries decides.
class Backoff final {
 public:
  struct Range {
    Millis first;
    Millis most;
  };
  Backoff(Range range, std::uint64_t seed) : range_(range), random_(seed), cap_(range.first) {}

  // The wait after one more failure, at least a millisecond.
  [[nodiscard]] Millis next() {
    std::uniform_int_distribution<std::int64_t> wait(1, std::max<std::int64_t>(1, cap_.count()));
    cap_ = std::min(cap_ * 2, range_.most);
    return Millis{wait(random_)};
  }
  void failed(Instant now) { at_ = now + next(); }
  void succeeded() {
    cap_ = range_.first;
    at_ = Instant{};
  }

  [[nodiscard]] bool due(Instant now) const { return now >= at_; }
  [[nodiscard]] Instant at() const { return at_; }  // not before

 private:
  Range range_;
  std::minstd_rand random_;
  Millis cap_;
  Instant at_{};
};

// For those who need no reproducible times.
[[nodiscard]] inline std::uint64_t random_seed() { return std::random_device{}(); }

}  // namespace ringcast
