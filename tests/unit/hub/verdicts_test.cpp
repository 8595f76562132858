#include "hub/verdicts.hpp"

#include <gtest/gtest.h>

namespace ringcast {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

const Instant kStart{hours(1)};

TEST(Verdicts, HoldForTheirTime) {
  Verdicts verdicts(seconds(60), 100);
  EXPECT_EQ(verdicts.find("ann", "chat:1", kStart), std::nullopt);
  verdicts.remember("ann", "chat:1", true, kStart);
  verdicts.remember("bob", "chat:1", false, kStart);
  const Instant last = kStart + milliseconds(59'999);
  EXPECT_EQ(verdicts.find("ann", "chat:1", last), true);
  EXPECT_EQ(verdicts.find("bob", "chat:1", last), false);
  EXPECT_EQ(verdicts.find("ann", "chat:2", last), std::nullopt);
  EXPECT_EQ(verdicts.find("", "chat:1", last), std::nullopt);
  EXPECT_EQ(verdicts.find("ann", "chat:1", kStart + seconds(60)), std::nullopt);
  EXPECT_EQ(verdicts.size(), 0U) << "what has expired takes no place";
}

TEST(Verdicts, TheLastOneCounts) {
  Verdicts verdicts(seconds(60), 100);
  verdicts.remember("ann", "chat:1", true, kStart);
  verdicts.remember("ann", "chat:1", false, kStart + seconds(30));
  EXPECT_EQ(verdicts.find("ann", "chat:1", kStart + seconds(61)), false);
  EXPECT_EQ(verdicts.size(), 1U);
}

TEST(Verdicts, AtTheirBoundForgetTheOldest) {
  Verdicts verdicts(seconds(60), 2);
  verdicts.remember("a", "r", true, kStart);
  verdicts.remember("b", "r", true, kStart);
  EXPECT_EQ(verdicts.find("a", "r", kStart), true) << "two are kept";
  verdicts.remember("c", "r", true, kStart);
  EXPECT_EQ(verdicts.size(), 2U);
  EXPECT_EQ(verdicts.find("a", "r", kStart), std::nullopt);
  EXPECT_EQ(verdicts.find("c", "r", kStart), true);
}

TEST(Verdicts, WithoutATimeAreNotKept) {
  Verdicts verdicts(seconds(0), 2);
  verdicts.remember("a", "r", true, kStart);
  EXPECT_EQ(verdicts.find("a", "r", kStart), std::nullopt);
}

}  // namespace
}  // namespace ringcast
