#include "queue/places.hpp"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace ringcast {
namespace {

TEST(Places, GivesPlacesMaxAndNotOneMore) {
  Places places(2);
  EXPECT_TRUE(places.take());
  EXPECT_TRUE(places.take());
  EXPECT_FALSE(places.take());
  EXPECT_FALSE(places.take()) << "a refusal takes nothing";
  places.give_back();
  EXPECT_TRUE(places.take());
  EXPECT_FALSE(places.take());
}

TEST(Places, NoPlacesAreNone) {
  Places places(0);
  EXPECT_FALSE(places.take());
}

TEST(Places, ThreadsTogetherNeverHoldMoreAndLoseNone) {
  constexpr int kMax = 4;
  Places places(kMax);
  std::atomic<int> held{0};
  std::atomic<int> most{0};
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 3; ++i)
      threads.emplace_back([&] {
        for (int turn = 0; turn < 5'000; ++turn) {
          if (!places.take()) continue;
          const int now = held.fetch_add(1) + 1;
          int seen = most.load();
          while (now > seen && !most.compare_exchange_weak(seen, now)) {
          }
          held.fetch_sub(1);
          places.give_back();
        }
      });
  }
  EXPECT_LE(most.load(), kMax);
  for (int i = 0; i < kMax; ++i) EXPECT_TRUE(places.take()) << i;
  EXPECT_FALSE(places.take());
}

}  // namespace
}  // namespace ringcast
