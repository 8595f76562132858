#include "hub/breakers.hpp"

#include <algorithm>
#include <chrono>

namespace ringcast {

Breakers::Breakers(const AppConfig& config, std::deque<HandlerMetrics>& handlers)
    : limit_(RateLimit::sliding(config.crashes_per_minute_max, std::chrono::minutes(1))),
      pause_(std::chrono::seconds(config.crash_pause_s)),
      metrics_(handlers),
      breakers_(config.crashes_per_minute_max == 0 ? 0 : handlers.size()) {}

Breakers::Pass Breakers::ask(std::size_t handler, Instant now) {
  if (breakers_.empty()) return Pass::yes;
  Breaker& breaker = breakers_[handler];
  if (!breaker.until) return Pass::yes;
  if (now < *breaker.until || breaker.tries) return Pass::no;
  breaker.tries = true;
  return Pass::trial;
}

void Breakers::withdraw(std::size_t handler) { breakers_[handler].tries = false; }

void Breakers::ended(std::size_t handler, bool trial, bool crashed, Instant now) {
  if (breakers_.empty()) return;
  Breaker& breaker = breakers_[handler];
  if (trial) {
    breaker = {};
    if (crashed) open(handler, now);
    return;
  }
  // What was called before it opened says nothing new.
  if (crashed && !breaker.until && !breaker.crashes.take(limit_, now)) open(handler, now);
}

void Breakers::open(std::size_t handler, Instant now) {
  const Instant until = now + pause_;
  breakers_[handler].until = until;
  metrics_[handler].broken.set(1);
  next_end_ = std::min(next_end_.value_or(until), until);
}

void Breakers::run(Instant now) {
  if (!next_end_ || now < *next_end_) return;
  next_end_.reset();
  for (std::size_t i = 0; i < breakers_.size(); ++i) {
    const auto until = breakers_[i].until;
    if (!until || *until <= now)
      metrics_[i].broken.set(0);
    else
      next_end_ = std::min(next_end_.value_or(*until), *until);
  }
}

}  // namespace ringcast
