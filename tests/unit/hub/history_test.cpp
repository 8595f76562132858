#include "hub/history.hpp"

#include <gtest/gtest.h>

namespace ringcast {
namespace {

using std::chrono::seconds;

class HistoryTest : public ::testing::Test {
 protected:
  static EventRef event(Offset offset) {
    Event made;
    made.offset = offset;
    return std::make_shared<const Event>(std::move(made));
  }
  static std::vector<Offset> offsets(const std::optional<History::Missed>& missed) {
    std::vector<Offset> out;
    if (missed)
      for (const EventRef& held : **missed) out.push_back(held->offset);
    return out;
  }
  Instant now_{seconds{1'000}};
};

using Offsets = std::vector<Offset>;

TEST_F(HistoryTest, AnEmptyOneIsCompleteFromItsFloorOn) {
  History history(10, seconds(60), 7);
  EXPECT_FALSE(history.after(6, 100).has_value());
  ASSERT_TRUE(history.after(7, 100).has_value());
  EXPECT_TRUE((*history.after(7, 100))->empty());
  EXPECT_TRUE(history.after(1'000, 100).has_value());
}

TEST_F(HistoryTest, GivesWhatIsAfterAPositionWhetherItIsHeldOrNot) {
  History history(10, seconds(60), 0);
  for (const Offset offset : {10, 20, 30}) history.push(event(offset), now_);
  EXPECT_EQ(offsets(history.after(0, 100)), (Offsets{10, 20, 30}));
  EXPECT_EQ(offsets(history.after(9, 100)), (Offsets{10, 20, 30}));
  EXPECT_EQ(offsets(history.after(10, 100)), (Offsets{20, 30}));
  EXPECT_EQ(offsets(history.after(25, 100)), (Offsets{30}));
  EXPECT_EQ(offsets(history.after(30, 100)), Offsets{});
  EXPECT_TRUE(history.after(30, 100).has_value());
}

TEST_F(HistoryTest, HoldsSizeMaxAndOneMoreRaisesTheFloor) {
  History history(3, seconds(60), 0);
  for (const Offset offset : {10, 20, 30}) history.push(event(offset), now_);
  EXPECT_EQ(history.size(), 3U);
  EXPECT_EQ(history.floor(), 0U);
  history.push(event(40), now_);
  EXPECT_EQ(history.size(), 3U);
  EXPECT_EQ(history.floor(), 10U);
  EXPECT_FALSE(history.after(9, 100).has_value());
  EXPECT_EQ(offsets(history.after(10, 100)), (Offsets{20, 30, 40}));
}

TEST_F(HistoryTest, ASizeOfNothingKeepsTheFloorAtTheTop) {
  History history(0, seconds(60), 0);
  history.push(event(5), now_);
  EXPECT_EQ(history.size(), 0U);
  EXPECT_FALSE(history.after(4, 100).has_value());
  EXPECT_TRUE(history.after(5, 100).has_value());
}

TEST_F(HistoryTest, ExpiresAtItsTtlAndNotBefore) {
  History history(10, seconds(60), 0);
  history.push(event(10), now_);
  history.push(event(20), now_ + seconds(1));
  EXPECT_EQ(history.next_expiry(), now_ + seconds(60));
  history.expire(now_ + seconds(60) - Nanos(1));
  EXPECT_EQ(history.size(), 2U);
  history.expire(now_ + seconds(60));
  EXPECT_EQ(history.size(), 1U);
  EXPECT_EQ(history.floor(), 10U);
  EXPECT_EQ(history.next_expiry(), now_ + seconds(61));
  history.expire(now_ + seconds(1'000));
  EXPECT_EQ(history.size(), 0U);
  EXPECT_EQ(history.floor(), 20U);
  EXPECT_FALSE(history.next_expiry().has_value());
}

TEST_F(HistoryTest, GivesCountMaxAndNotOneMore) {
  History history(10, seconds(60), 0);
  for (Offset offset = 1; offset <= 5; ++offset) history.push(event(offset), now_);
  EXPECT_EQ(offsets(history.after(2, 3)), (Offsets{3, 4, 5}));
  EXPECT_FALSE(history.after(1, 3).has_value());
  EXPECT_TRUE(history.after(5, 0).has_value());
}

TEST_F(HistoryTest, MakesTheListOnceForAllWhoAskFromOnePosition) {
  History history(10, seconds(60), 0);
  for (Offset offset = 1; offset <= 5; ++offset) history.push(event(offset), now_);
  const auto first = history.after(2, 100);
  EXPECT_EQ(*history.after(2, 100), *first);
  EXPECT_NE(*history.after(3, 100), *first);
}

TEST_F(HistoryTest, NeverGivesAListThatIsOutOfDate) {
  History history(3, seconds(60), 0);
  for (Offset offset = 1; offset <= 3; ++offset) history.push(event(offset), now_);
  EXPECT_EQ(offsets(history.after(1, 100)), (Offsets{2, 3}));
  history.push(event(4), now_);
  EXPECT_EQ(offsets(history.after(1, 100)), (Offsets{2, 3, 4}));
  EXPECT_FALSE(history.after(1, 2).has_value()) << "the list is there, but too long for this one";
  history.expire(now_ + seconds(60));
  EXPECT_FALSE(history.after(1, 100).has_value());
  history.restart(100);
  EXPECT_FALSE(history.after(4, 100).has_value());
  EXPECT_TRUE((*history.after(100, 100))->empty());
}

TEST_F(HistoryTest, ARestartForgetsEverything) {
  History history(10, seconds(60), 0);
  history.push(event(50), now_);
  history.restart(7);
  EXPECT_EQ(history.size(), 0U);
  EXPECT_EQ(history.floor(), 7U);
  history.push(event(8), now_);  // a new numbering may begin below
  EXPECT_EQ(offsets(history.after(7, 100)), (Offsets{8}));
}

TEST_F(HistoryTest, OffsetsThatDoNotRiseAreOurOwnMistake) {
  History history(10, seconds(60), 0);
  history.push(event(5), now_);
  EXPECT_DEATH(history.push(event(5), now_), "offsets must rise");
}

}  // namespace
}  // namespace ringcast
