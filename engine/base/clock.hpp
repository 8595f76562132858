// Two clocks: Instant for everything that waits or expires, WallTime for what people read.
#pragma once

#include <chrono>
#include <cstdint>

namespace ringcast {

using Nanos = std::chrono::nanoseconds;
using Millis = std::chrono::milliseconds;
using Instant = std::chrono::time_point<std::chrono::steady_clock, Nanos>;
using WallTime = std::chrono::time_point<std::chrono::system_clock, std::chrono::microseconds>;

// The source of both times. Thread: each thread has its own. A tick reads it once and hands the
// value on, so that all of a tick happens at one time; tests put a ManualClock in its place.
class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual Instant now() const = 0;
  [[nodiscard]] virtual WallTime wall() const = 0;
};

// The real one. Thread: any.
class SystemClock final : public Clock {
 public:
  [[nodiscard]] Instant now() const override {
    return std::chrono::time_point_cast<Nanos>(std::chrono::steady_clock::now());
  }
  [[nodiscard]] WallTime wall() const override {
    return std::chrono::time_point_cast<std::chrono::microseconds>(
        std::chrono::system_clock::now());
  }
};

// A clock that a test moves by hand. Thread: its owner's.
class ManualClock final : public Clock {
 public:
  [[nodiscard]] Instant now() const override { return now_; }
  [[nodiscard]] WallTime wall() const override { return wall_; }
  void advance(Nanos by) {
    now_ += by;
    wall_ += std::chrono::duration_cast<std::chrono::microseconds>(by);
  }
  void set_wall(WallTime wall) { wall_ = wall; }

 private:
  Instant now_{std::chrono::seconds{1'000}};
  WallTime wall_{std::chrono::seconds{1'700'000'000}};
};

}  // namespace ringcast
