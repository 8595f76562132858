#include "io/timers.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace ringcast::io {
namespace {

Instant at(int millis) { return Instant{Millis{millis}}; }

std::vector<std::uint32_t> pop_all(Timers& timers, Instant now) {
  std::vector<std::uint32_t> kinds;
  while (const auto payload = timers.pop_due(now)) kinds.push_back(payload->kind);
  return kinds;
}

TEST(Timers, PopsWhatIsDueInOrder) {
  Timers timers(10);
  for (const int millis : {30, 10, 20, 40})
    (void)timers.schedule(at(millis), {static_cast<std::uint32_t>(millis), {}});
  EXPECT_EQ(timers.next_deadline(), at(10));
  EXPECT_EQ(pop_all(timers, at(9)), (std::vector<std::uint32_t>{}));
  EXPECT_EQ(pop_all(timers, at(30)), (std::vector<std::uint32_t>{10, 20, 30}));
  EXPECT_EQ(timers.next_deadline(), at(40));
  EXPECT_EQ(pop_all(timers, at(40)), (std::vector<std::uint32_t>{40}));
  EXPECT_EQ(timers.next_deadline(), Instant::max());
}

TEST(Timers, PopsEqualInstantsInTheOrderOfScheduling) {
  Timers timers(100);
  std::vector<std::uint32_t> expected;
  for (std::uint32_t i = 0; i < 100; ++i) {
    (void)timers.schedule(at(5), {i, {}});
    expected.push_back(i);
  }
  EXPECT_EQ(pop_all(timers, at(5)), expected);
}

TEST(Timers, CarriesItsPayload) {
  Timers timers(1);
  (void)timers.schedule(at(1), {3, {17, 99}});
  const auto payload = timers.pop_due(at(1));
  ASSERT_TRUE(payload);
  EXPECT_EQ(payload->kind, 3U);
  EXPECT_EQ(payload->subject, (SlotId{17, 99}));
}

TEST(Timers, ForgetsACancelledOne) {
  Timers timers(3);
  const auto first = timers.schedule(at(1), {1, {}});
  (void)timers.schedule(at(2), {2, {}});
  timers.cancel(first);
  EXPECT_EQ(timers.next_deadline(), at(2));
  EXPECT_EQ(pop_all(timers, at(5)), (std::vector<std::uint32_t>{2}));
}

TEST(Timers, IgnoresStaleIds) {
  Timers timers(1);
  const auto old = timers.schedule(at(1), {1, {}});
  EXPECT_EQ(pop_all(timers, at(1)).size(), 1U);
  timers.cancel(old);
  const auto fresh = timers.schedule(at(2), {2, {}});
  EXPECT_EQ(fresh.index, old.index);
  timers.cancel(old);
  timers.cancel({});
  timers.cancel({1'000, 1});
  EXPECT_EQ(pop_all(timers, at(2)), (std::vector<std::uint32_t>{2}));
}

TEST(Timers, RefusesMoreThanItsMaximum) {
  Timers timers(2);
  const auto first = timers.schedule(at(1), {1, {}});
  EXPECT_TRUE(timers.schedule(at(2), {2, {}}));
  EXPECT_FALSE(timers.schedule(at(3), {3, {}}));
  timers.cancel(first);
  EXPECT_TRUE(timers.schedule(at(3), {3, {}}));
}

TEST(Timers, AgreesWithAModelOverRandomOperations) {
  std::mt19937 random(7);
  Timers timers(500);
  std::multimap<std::pair<Instant, std::uint32_t>, TimerId> model;  // (when, order) as kind
  std::uint32_t order = 0;
  int now = 0;
  for (int step = 0; step < 20'000; ++step) {
    const auto choice = random() % 10;
    if (choice < 5) {
      const Instant when = at(now + static_cast<int>(random() % 50));
      const auto id = timers.schedule(when, {order, {}});
      ASSERT_EQ(static_cast<bool>(id), model.size() < 500);
      if (id) model.emplace(std::pair(when, order), id);
      ++order;
    } else if (choice < 8 && !model.empty()) {
      const auto victim = std::next(model.begin(), static_cast<int>(random() % model.size()));
      timers.cancel(victim->second);
      model.erase(victim);
    } else {
      now += static_cast<int>(random() % 5);
      while (!model.empty() && model.begin()->first.first <= at(now)) {
        const auto payload = timers.pop_due(at(now));
        ASSERT_TRUE(payload);
        ASSERT_EQ(payload->kind, model.begin()->first.second);
        model.erase(model.begin());
      }
      ASSERT_FALSE(timers.pop_due(at(now)));
    }
    ASSERT_EQ(timers.size(), model.size());
    ASSERT_EQ(timers.next_deadline(), model.empty() ? Instant::max() : model.begin()->first.first);
  }
}

}  // namespace
}  // namespace ringcast::io
