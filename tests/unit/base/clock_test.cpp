#include "base/clock.hpp"

#include <gtest/gtest.h>

namespace ringcast {
namespace {

TEST(SystemClock, NeverGoesBack) {
  const SystemClock clock;
  Instant last = clock.now();
  for (int i = 0; i < 1'000; ++i) {
    const Instant now = clock.now();
    ASSERT_GE(now, last);
    last = now;
  }
}

TEST(ManualClock, MovesBothTimesByHandAndTheWallAlone) {
  ManualClock clock;
  const Instant start = clock.now();
  const WallTime wall = clock.wall();
  clock.advance(std::chrono::milliseconds(1'500));
  EXPECT_EQ(clock.now() - start, std::chrono::milliseconds(1'500));
  EXPECT_EQ(clock.wall() - wall, std::chrono::milliseconds(1'500));
  clock.set_wall(wall - std::chrono::hours(1));
  EXPECT_EQ(clock.wall(), wall - std::chrono::hours(1));
  EXPECT_EQ(clock.now() - start, std::chrono::milliseconds(1'500));
}

}  // namespace
}  // namespace ringcast
