#include "base/slot_map.hpp"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace ringcast {
namespace {

TEST(SlotMap, FindsAThingUntilItIsErased) {
  SlotMap<std::string> map(4);
  const SlotId id = map.emplace("a");
  ASSERT_TRUE(id);
  ASSERT_NE(map.find(id), nullptr);
  EXPECT_EQ(*map.find(id), "a");
  map.erase(id);
  EXPECT_EQ(map.find(id), nullptr);
  EXPECT_EQ(map.size(), 0U);
}

TEST(SlotMap, NeverLeadsAnOldIdToANewThing) {
  SlotMap<int> map(1);
  std::vector<SlotId> old;
  for (int i = 0; i < 1'000; ++i) {
    const SlotId id = map.emplace(i);
    ASSERT_TRUE(id);
    for (const SlotId& stale : old) ASSERT_EQ(map.find(stale), nullptr);
    ASSERT_EQ(*map.find(id), i);
    map.erase(id);
    old.push_back(id);
  }
}

TEST(SlotMap, HoldsItsLimitAndThenGivesAnIdThatIsFalse) {
  SlotMap<int> map(3);
  std::vector<SlotId> ids;
  for (int i = 0; i < 3; ++i) ids.push_back(map.emplace(i));
  EXPECT_FALSE(map.emplace(3));
  EXPECT_EQ(map.size(), 3U);
  map.erase(ids[1]);
  EXPECT_TRUE(map.emplace(4));
  EXPECT_FALSE(map.emplace(5));
}

TEST(SlotMap, FindsNothingUnderIdsThatItNeverGave) {
  SlotMap<int> map(2);
  const SlotId id = map.emplace(1);
  EXPECT_EQ(map.find({}), nullptr);
  EXPECT_EQ(map.find({id.index, id.generation + 1}), nullptr);
  EXPECT_EQ(map.find({id.index, 0}), nullptr);
  EXPECT_EQ(map.find({1, 1}), nullptr);
  EXPECT_EQ(map.find({0xffffffff, 1}), nullptr);
}

TEST(SlotMap, KeepsAddressesWhileItGrows) {
  SlotMap<int> map(10'000);
  const SlotId first = map.emplace(1);
  const int* address = map.find(first);
  for (int i = 0; i < 9'999; ++i) static_cast<void>(map.emplace(i));
  EXPECT_EQ(map.find(first), address);
}

TEST(SlotMap, DestroysAThingWhenItIsErased) {
  const auto counted = std::make_shared<int>(0);
  SlotMap<std::shared_ptr<int>> map(2);
  const SlotId id = map.emplace(counted);
  EXPECT_EQ(counted.use_count(), 2);
  map.erase(id);
  EXPECT_EQ(counted.use_count(), 1);
}

TEST(SlotMap, VisitsEachThingAlsoWhenTheVisitErasesIt) {
  SlotMap<int> map(100);
  std::map<std::uint32_t, int> expected;
  for (int i = 0; i < 100; ++i) expected[map.emplace(i).index] = i;
  std::map<std::uint32_t, int> seen;
  map.for_each([&](SlotId id, int& value) {
    seen[id.index] = value;
    if (value % 2 == 0) map.erase(id);
  });
  EXPECT_EQ(seen, expected);
  EXPECT_EQ(map.size(), 50U);
  map.for_each([](SlotId, int& value) { EXPECT_EQ(value % 2, 1); });
}

// Against a plain map, in a random order that is always the same.
TEST(SlotMap, AgreesWithAModel) {
  SlotMap<std::uint32_t> map(64);
  std::vector<std::pair<SlotId, std::uint32_t>> model;
  std::uint64_t state = 7;
  for (std::uint32_t step = 0; step < 20'000; ++step) {
    state = state * 6'364'136'223'846'793'005U + 1;
    if (state >> 63 == 0) {
      const SlotId id = map.emplace(step);
      ASSERT_EQ(static_cast<bool>(id), model.size() < 64);
      if (id) model.emplace_back(id, step);
    } else if (!model.empty()) {
      const std::size_t at = (state >> 33) % model.size();
      ASSERT_EQ(*map.find(model[at].first), model[at].second);
      map.erase(model[at].first);
      model.erase(model.begin() + static_cast<std::ptrdiff_t>(at));
    }
    ASSERT_EQ(map.size(), model.size());
  }
}

TEST(SlotMapDeathTest, StopsWhenWhatIsGoneIsErased) {
  SlotMap<int> map(1);
  const SlotId id = map.emplace(1);
  map.erase(id);
  EXPECT_DEATH(map.erase(id), "not there");
}

}  // namespace
}  // namespace ringcast
