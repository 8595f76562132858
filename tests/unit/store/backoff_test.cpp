#include "store/backoff.hpp"

#include <gtest/gtest.h>

namespace ringcast {
namespace {

constexpr Backoff::Range kRange{Millis{50}, Millis{5'000}};

TEST(Backoff, WaitsUpToTheDoubleEachTimeAndNeverBeyondTheMost) {
  Millis longest{0};
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    Backoff backoff(kRange, seed);
    Millis cap = kRange.first;
    for (int failure = 0; failure < 20; ++failure) {
      const Millis wait = backoff.next();
      EXPECT_GE(wait, Millis{1});
      EXPECT_LE(wait, cap);
      longest = std::max(longest, wait);
      cap = std::min(cap * 2, kRange.most);
    }
  }
  EXPECT_GT(longest, kRange.most * 9 / 10);
}

TEST(Backoff, JitterIsFull) {
  int below_a_quarter = 0;
  for (std::uint64_t seed = 1; seed <= 400; ++seed)
    below_a_quarter += Backoff({Millis{1'000}, Millis{1'000}}, seed * 7'919).next() < Millis{250};
  EXPECT_GT(below_a_quarter, 50);
  EXPECT_LT(below_a_quarter, 150);
}

TEST(Backoff, TheSameSeedGivesTheSameTimesAndAnotherOneOthers) {
  Backoff one(kRange, 7), same(kRange, 7), other(kRange, 8);
  int equal = 0;
  for (int i = 0; i < 10; ++i) {
    const Millis wait = one.next();
    EXPECT_EQ(wait, same.next());
    equal += wait == other.next() ? 1 : 0;
  }
  EXPECT_LT(equal, 10);
}

TEST(Backoff, IsDueAtItsTimeAndAtOnceAfterASuccess) {
  Backoff backoff(kRange, 3);
  Instant now = Instant{} + std::chrono::seconds{100};
  EXPECT_TRUE(backoff.due(now));
  for (int i = 0; i < 12; ++i) {
    backoff.failed(now);
    EXPECT_FALSE(backoff.due(now));
    EXPECT_FALSE(backoff.due(backoff.at() - Nanos{1}));
    now = backoff.at();
    EXPECT_TRUE(backoff.due(now));
  }
  backoff.succeeded();
  EXPECT_TRUE(backoff.due(now));
  backoff.failed(now);
  EXPECT_LE(backoff.at(), now + kRange.first);
}

}  // namespace
}  // namespace ringcast
