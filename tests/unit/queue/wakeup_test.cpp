#include "queue/wakeup.hpp"

#include <gtest/gtest.h>
#include <poll.h>

#include <atomic>
#include <thread>

namespace ringcast {
namespace {

bool is_readable(const Wakeup& wakeup) {
  pollfd watched{wakeup.fd(), POLLIN, 0};
  return ::poll(&watched, 1, 0) == 1;
}

TEST(Wakeup, AnAwakeOwnerIsNotWoken) {
  Wakeup wakeup;
  EXPECT_FALSE(wakeup.wake());
  EXPECT_FALSE(is_readable(wakeup));
}

TEST(Wakeup, AParkedOwnerIsWokenOnce) {
  Wakeup wakeup;
  wakeup.park();
  EXPECT_TRUE(wakeup.wake());
  EXPECT_TRUE(is_readable(wakeup));
  EXPECT_FALSE(wakeup.wake()) << "the wake is on its way already";
}

TEST(Wakeup, DrainTakesTheWakeOff) {
  Wakeup wakeup;
  wakeup.park();
  ASSERT_TRUE(wakeup.wake());
  wakeup.drain();
  EXPECT_FALSE(is_readable(wakeup));
  wakeup.drain();  // nothing there: it must not block
}

TEST(Wakeup, AnOwnerThatParksAgainIsWokenAgain) {
  Wakeup wakeup;
  for (int round = 0; round < 3; ++round) {
    wakeup.park();
    EXPECT_TRUE(wakeup.wake()) << round;
    wakeup.drain();
  }
}

TEST(Wakeup, AnOwnerThatTookTheFlagDownIsNotWoken) {
  Wakeup wakeup;
  wakeup.park();
  wakeup.unpark();
  EXPECT_FALSE(wakeup.wake());
  EXPECT_FALSE(is_readable(wakeup));
}

TEST(Wakeup, ManyWakersOfOneParkWriteOnce) {
  for (int round = 0; round < 200; ++round) {
    Wakeup wakeup;
    wakeup.park();
    std::atomic<int> woke{0};
    {
      std::jthread one([&] { woke += wakeup.wake(); });
      std::jthread two([&] { woke += wakeup.wake(); });
    }
    ASSERT_EQ(woke.load(), 1);
  }
}

}  // namespace
}  // namespace ringcast
