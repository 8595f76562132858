#include "hub/rate_limit.hpp"

#include <algorithm>

namespace ringcast {

bool RateLimit::valid() const {
  if (kind == Kind::none) return true;
  return calls_max >= 1 && calls_max <= kCallsMax && window / calls_max > Nanos::zero();
}

bool RateMeter::take(const RateLimit& limit, Instant now) {
  switch (limit.kind) {
    case RateLimit::Kind::none:
      return true;
    case RateLimit::Kind::token_bucket: {
      // One number instead of a count and a time: each call moves the moment at which the bucket
      // will be full, and that may lie a whole window ahead at most.
      const Instant full = std::max(full_at_, now) + limit.window / limit.calls_max;
      if (full > now + limit.window) return false;
      full_at_ = full;
      return true;
    }
    case RateLimit::Kind::sliding_window:
      if (calls_.size() < limit.calls_max) {
        calls_.push_back(now);
      } else {
        if (now - calls_[oldest_] < limit.window) return false;
        calls_[oldest_] = now;
        oldest_ = (oldest_ + 1) % calls_.size();
      }
      full_at_ = now + limit.window;
      return true;
  }
  return true;
}

bool UserRates::take(std::string_view user, const RateLimit& limit, Instant now) {
  if (limit.kind == RateLimit::Kind::none) return true;
  const auto known = by_user_.find(user);
  if (known != by_user_.end()) {
    recent_.splice(recent_.begin(), recent_, known->second);
    return known->second->meter.take(limit, now);
  }
  // Those at the end have rested longest: who is as good as new goes first, whatever the bound.
  while (!recent_.empty() && (recent_.size() >= users_max_ || recent_.back().meter.rested(now))) {
    by_user_.erase(recent_.back().name);
    recent_.pop_back();
  }
  recent_.push_front({std::string(user), {}});
  by_user_.emplace(recent_.front().name, recent_.begin());
  return recent_.front().meter.take(limit, now);
}

}  // namespace ringcast
