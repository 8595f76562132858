#include "hub/rate_limit.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace ringcast {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

const Instant kStart{hours(1)};

std::uint32_t taken(RateMeter& meter, const RateLimit& limit, Instant now, int tries) {
  std::uint32_t count = 0;
  for (int i = 0; i < tries; ++i) count += meter.take(limit, now) ? 1 : 0;
  return count;
}

TEST(RateLimit, IsValidWithinItsBounds) {
  EXPECT_TRUE(RateLimit{}.valid());
  EXPECT_TRUE(RateLimit::bucket(1, seconds(1)).valid());
  EXPECT_FALSE(RateLimit::bucket(0, seconds(1)).valid());
  EXPECT_TRUE(RateLimit::sliding(RateLimit::kCallsMax, seconds(1)).valid());
  EXPECT_FALSE(RateLimit::sliding(RateLimit::kCallsMax + 1, seconds(1)).valid());
  EXPECT_FALSE(RateLimit::bucket(10, Nanos(9)).valid());
}

TEST(RateMeter, WithoutARuleLetsEverythingThrough) {
  RateMeter meter;
  EXPECT_EQ(taken(meter, {}, kStart, 1'000), 1'000U);
}

TEST(RateMeter, ABucketIsFullAtFirstAndRefillsEvenly) {
  const RateLimit limit = RateLimit::bucket(10, seconds(10));
  RateMeter meter;
  EXPECT_EQ(taken(meter, limit, kStart, 20), 10U);
  EXPECT_EQ(taken(meter, limit, kStart + milliseconds(999), 5), 0U);
  EXPECT_EQ(taken(meter, limit, kStart + seconds(1), 5), 1U);
  EXPECT_EQ(taken(meter, limit, kStart + seconds(5), 20), 4U);
  EXPECT_EQ(taken(meter, limit, kStart + hours(1), 20), 10U) << "it never holds more";
}

TEST(RateMeter, ASlidingWindowNeverSeesMoreThanItsCalls) {
  const RateLimit limit = RateLimit::sliding(10, seconds(10));
  RateMeter meter;
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(meter.take(limit, kStart + milliseconds(500 * i)));
  EXPECT_FALSE(meter.take(limit, kStart + milliseconds(9'999)));
  EXPECT_TRUE(meter.take(limit, kStart + seconds(10))) << "the first call is 10 s old";
  EXPECT_FALSE(meter.take(limit, kStart + milliseconds(10'499)));
  EXPECT_TRUE(meter.take(limit, kStart + milliseconds(10'500)));
}

TEST(RateMeter, AnySecondOfASlidingWindowIsWithinIt) {
  const RateLimit limit = RateLimit::sliding(7, seconds(1));
  RateMeter meter;
  std::vector<Instant> taken_at;
  for (int i = 0; i < 5'000; ++i) {
    const Instant now = kStart + milliseconds(i * 13 % 29 + i * 17);
    if (meter.take(limit, std::max(now, taken_at.empty() ? now : taken_at.back())))
      taken_at.push_back(std::max(now, taken_at.empty() ? now : taken_at.back()));
  }
  ASSERT_GT(taken_at.size(), 100U);
  for (std::size_t i = 7; i < taken_at.size(); ++i)
    EXPECT_GE(taken_at[i] - taken_at[i - 7], seconds(1));
}

TEST(RateMeter, BeingRefusedDoesNotSetBack) {
  for (const auto& limit : {RateLimit::bucket(1, seconds(1)), RateLimit::sliding(1, seconds(1))}) {
    RateMeter meter;
    EXPECT_TRUE(meter.take(limit, kStart));
    EXPECT_EQ(taken(meter, limit, kStart + milliseconds(999), 1'000), 0U);
    EXPECT_TRUE(meter.take(limit, kStart + seconds(1)));
  }
}

TEST(UserRates, CountEachUserAlone) {
  const RateLimit limit = RateLimit::sliding(2, seconds(1));
  UserRates rates(100);
  EXPECT_TRUE(rates.take("ann", limit, kStart));
  EXPECT_TRUE(rates.take("ann", limit, kStart));
  EXPECT_FALSE(rates.take("ann", limit, kStart));
  EXPECT_TRUE(rates.take("bob", limit, kStart));
  EXPECT_TRUE(rates.take("ann", limit, kStart + seconds(1)));
}

TEST(UserRates, AtTheirBoundForgetWhoAskedLeastRecently) {
  const RateLimit limit = RateLimit::bucket(1, seconds(10));
  UserRates rates(3);
  for (const std::string_view user : {"a", "b", "c"}) EXPECT_TRUE(rates.take(user, limit, kStart));
  EXPECT_FALSE(rates.take("a", limit, kStart)) << "three are kept";
  EXPECT_TRUE(rates.take("d", limit, kStart));
  EXPECT_EQ(rates.size(), 3U);
  EXPECT_FALSE(rates.take("a", limit, kStart));
  EXPECT_TRUE(rates.take("b", limit, kStart)) << "b was forgotten";
}

TEST(UserRates, ForgetThoseWhoRested) {
  const RateLimit limit = RateLimit::sliding(1, seconds(1));
  UserRates rates(1'000);
  for (int i = 0; i < 500; ++i) EXPECT_TRUE(rates.take(fmt::format("user{}", i), limit, kStart));
  EXPECT_EQ(rates.size(), 500U);
  EXPECT_TRUE(rates.take("late", limit, kStart + seconds(1)));
  EXPECT_EQ(rates.size(), 1U);
}

}  // namespace
}  // namespace ringcast
