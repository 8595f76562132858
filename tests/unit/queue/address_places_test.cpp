#include "queue/address_places.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace ringcast {
namespace {

TEST(AddressPlaces, GivesEachAddressPlacesMaxAndNotOneMore) {
  AddressPlaces places(2);
  for (const std::uint64_t address : {std::uint64_t{7}, std::uint64_t{8}}) {
    EXPECT_TRUE(places.take(address));
    EXPECT_TRUE(places.take(address));
    EXPECT_FALSE(places.take(address));
    EXPECT_FALSE(places.take(address)) << "a refusal takes nothing";
  }
  places.give_back(7);
  EXPECT_FALSE(places.take(8)) << "that place was of another";
  EXPECT_TRUE(places.take(7));
  EXPECT_FALSE(places.take(7));
}

TEST(AddressPlaces, RemembersNoAddressWithoutAPlace) {
  AddressPlaces places(3);
  for (std::uint64_t address = 0; address < 1'000; ++address) ASSERT_TRUE(places.take(address));
  EXPECT_TRUE(places.take(5));
  EXPECT_EQ(places.addresses(), 1'000U);
  for (std::uint64_t address = 0; address < 1'000; ++address) places.give_back(address);
  EXPECT_EQ(places.addresses(), 1U);
  places.give_back(5);
  EXPECT_EQ(places.addresses(), 0U);
}

TEST(AddressPlaces, NoPlacesAreNone) {
  AddressPlaces places(0);
  EXPECT_FALSE(places.take(1));
  EXPECT_EQ(places.addresses(), 0U);
}

TEST(AddressPlaces, ThreadsTogetherNeverHoldMoreAndLoseNone) {
  constexpr int kMax = 3;
  AddressPlaces places(kMax);
  std::atomic<int> held{0};
  std::atomic<bool> exceeded{false};
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i)
      threads.emplace_back([&] {
        for (int turn = 0; turn < 5'000; ++turn) {
          if (!places.take(1)) continue;
          if (held.fetch_add(1) >= kMax) exceeded = true;
          held.fetch_sub(1);
          places.give_back(1);
        }
      });
  }
  EXPECT_FALSE(exceeded);
  EXPECT_EQ(places.addresses(), 0U);
}

}  // namespace
}  // namespace ringcast
