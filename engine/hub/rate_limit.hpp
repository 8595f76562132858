// How often somebody may do something. No clock: the time comes with each question.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <list>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"

namespace ringcast {

// A rule. Both kinds let calls_max through at once after a rest. A bucket then refills evenly, one
// each window / calls_max, so a window may see nearly twice calls_max; a sliding window never sees
// more than calls_max in any stretch of `window`.
struct RateLimit {
  enum class Kind : std::uint8_t { none, token_bucket, sliding_window };
  static constexpr std::uint32_t kCallsMax = 10'000;  // a sliding window keeps the time of each

  Kind kind = Kind::none;
  std::uint32_t calls_max = 0;
  Nanos window{};

  [[nodiscard]] static RateLimit bucket(std::uint32_t calls_max, Nanos window) {
    return {Kind::token_bucket, calls_max, window};
  }
  [[nodiscard]] static RateLimit sliding(std::uint32_t calls_max, Nanos window) {
    return {Kind::sliding_window, calls_max, window};
  }
  // No kind, or from 1 to kCallsMax calls in a window that is long enough to tell them apart.
  [[nodiscard]] bool valid() const;
};

// What one caller has used of one rule.
//
// Thread: its owner's. A bucket is one number, a sliding window the times of its last calls_max
// calls at most. Beyond the rule take() refuses and nothing has changed: who is refused is not set
// back further by trying.
class RateMeter final {
 public:
  [[nodiscard]] bool take(const RateLimit& limit, Instant now);
  // A new meter would say the same of everything from `now` on.
  [[nodiscard]] bool rested(Instant now) const { return full_at_ <= now; }

 private:
  Instant full_at_ = Instant::min();  // when all that was used has come back
  std::vector<Instant> calls_;        // window: a ring, once it has calls_max entries
  std::size_t oldest_ = 0;
};

// Meters of many users for one rule.
//
// Thread: its owner's. At users_max the user who has asked least recently is forgotten, and would
// begin anew: a rule for users is as hard as the number of tokens that one person can get.
class UserRates final {
 public:
  explicit UserRates(std::uint32_t users_max) : users_max_(users_max) {}

  [[nodiscard]] bool take(std::string_view user, const RateLimit& limit, Instant now);
  [[nodiscard]] std::size_t size() const { return by_user_.size(); }

 private:
  struct User {
    std::string name;
    RateMeter meter;
  };
  std::uint32_t users_max_;
  std::list<User> recent_;  // the one who asked last in front
  boost::unordered_flat_map<std::string_view, std::list<User>::iterator> by_user_;
};

}  // namespace ringcast
