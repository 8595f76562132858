// Whether a handler that crashes again and again is still called.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "base/clock.hpp"
#include "config/config.hpp"
#include "hub/rate_limit.hpp"
#include "metrics/shard_metrics.hpp"

namespace ringcast {

// A breaker for each handler. It opens with the crash beyond app.crashes_per_minute_max within any
// minute, and refuses for app.crash_pause_s. Then one call is let through as a trial, and others
// not before its answer: a crash opens the breaker again, all else closes it.
//
// Thread: shard. Lives inside its Calls. With crashes_per_minute_max = 0 it lets everything through
// and remembers nothing; else at most so many times for each handler.
class Breakers final {
 public:
  enum class Pass : std::uint8_t { yes, trial, no };

  // `handlers`: their metrics, whose `broken` is told for as long as a pause lasts.
  Breakers(const AppConfig& config, std::deque<HandlerMetrics>& handlers);

  // A trial has to be withdrawn or to end.
  [[nodiscard]] Pass ask(std::size_t handler, Instant now);
  void withdraw(std::size_t handler);
  void ended(std::size_t handler, bool trial, bool crashed, Instant now);

  // Ends pauses; the next one to end.
  void run(Instant now);
  [[nodiscard]] std::optional<Instant> next_end() const { return next_end_; }

 private:
  struct Breaker {
    RateMeter crashes;
    std::optional<Instant> until;  // none: closed; when the pause is over, or was
    bool tries = false;
  };
  void open(std::size_t handler, Instant now);

  const RateLimit limit_;
  const Nanos pause_;
  std::deque<HandlerMetrics>& metrics_;
  std::vector<Breaker> breakers_;  // by handler; empty: no limit
  std::optional<Instant> next_end_;
};

}  // namespace ringcast
