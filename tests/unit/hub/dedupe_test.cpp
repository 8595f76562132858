#include "hub/dedupe.hpp"

#include <gtest/gtest.h>

namespace ringcast {
namespace {

using std::chrono::seconds;

class DedupeTest : public ::testing::Test {
 protected:
  static Event event(std::string_view data, std::string_view type = "t", Offset offset = 1) {
    Event made;
    made.id = Uuid::random();
    made.type = type;
    made.data = data;
    made.offset = offset;
    return made;
  }
  Dedupe dedupe_{3, seconds(300)};
  Instant now_{seconds{1'000}};
};

TEST_F(DedupeTest, ANewKeyHasNoAnswer) {
  const auto found = dedupe_.find("key", event("1"), now_);
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found.value(), nullptr);
}

TEST_F(DedupeTest, GivesTheFirstAnswerBack) {
  const Event first = event("1", "t", 42);
  dedupe_.remember("key", first, now_);
  const auto found = dedupe_.find("key", event("1", "t", 99), now_);
  ASSERT_TRUE(found.ok());
  ASSERT_NE(found.value(), nullptr);
  EXPECT_EQ(found.value()->id, first.id);
  EXPECT_EQ(found.value()->offset, 42U);
}

TEST_F(DedupeTest, OtherBytesOrAnotherTypeAreAConflict) {
  dedupe_.remember("key", event("1"), now_);
  EXPECT_EQ(dedupe_.find("key", event("2"), now_).error().code, Errc::conflict);
  EXPECT_EQ(dedupe_.find("key", event("1", "other"), now_).error().code, Errc::conflict);
  EXPECT_TRUE(dedupe_.find("other key", event("2"), now_).ok());
}

TEST_F(DedupeTest, ForgetsAtTheEndOfTheWindowAndNotBefore) {
  dedupe_.remember("key", event("1"), now_);
  EXPECT_NE(dedupe_.find("key", event("1"), now_ + seconds(300) - Nanos(1)).value(), nullptr);
  EXPECT_EQ(dedupe_.find("key", event("1"), now_ + seconds(300)).value(), nullptr);
  EXPECT_EQ(dedupe_.size(), 0U);
}

TEST_F(DedupeTest, HoldsCountMaxAndForgetsTheOldestFirst) {
  for (const char* key : {"a", "b", "c"}) dedupe_.remember(key, event("1"), now_);
  EXPECT_NE(dedupe_.find("a", event("1"), now_).value(), nullptr);
  dedupe_.remember("d", event("1"), now_);
  EXPECT_EQ(dedupe_.size(), 3U);
  EXPECT_EQ(dedupe_.find("a", event("1"), now_).value(), nullptr);
  for (const char* key : {"b", "c", "d"})
    EXPECT_NE(dedupe_.find(key, event("1"), now_).value(), nullptr) << key;
}

TEST_F(DedupeTest, ACountOfNothingRemembersNothing) {
  Dedupe none(0, seconds(300));
  none.remember("key", event("1"), now_);
  EXPECT_EQ(none.size(), 0U);
}

}  // namespace
}  // namespace ringcast
