#include "queue/places.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace ringcast {
namespace {

TEST(Places, GivesAsManyAsThereAreAndThoseThatComeBack) {
  Places places(2);
  EXPECT_TRUE(places.take());
  EXPECT_TRUE(places.take());
  EXPECT_FALSE(places.take());
  EXPECT_FALSE(places.take());
  places.give_back();
  EXPECT_TRUE(places.take());
  EXPECT_FALSE(places.take());
}

TEST(Places, ThreadsTogetherNeverHoldMoreThanThereAre) {
  constexpr int kMax = 3;
  Places places(kMax);
  std::atomic<int> holding{0};
  std::atomic<int> most{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i)
    threads.emplace_back([&] {
      for (int turn = 0; turn < 2'000; ++turn) {
        if (!places.take()) continue;
        const int now = ++holding;
        for (int seen = most; seen < now && !most.compare_exchange_weak(seen, now);) {
        }
        --holding;
        places.give_back();
      }
    });
  for (auto& thread : threads) thread.join();
  EXPECT_LE(most, kMax);
  EXPECT_GE(most, 1);
}

}  // namespace
}  // namespace ringcast
