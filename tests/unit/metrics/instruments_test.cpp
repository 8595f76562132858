#include "metrics/instruments.hpp"

#include <gtest/gtest.h>

#include <thread>

#include "metrics/shard_metrics.hpp"

namespace ringcast {
namespace {

TEST(Counter, Grows) {
  Counter counter;
  counter.add();
  counter.add(41);
  counter.add(0);
  EXPECT_EQ(counter.value(), 42U);
  counter.advance_to(50);
  EXPECT_EQ(counter.value(), 50U);
}

TEST(Counter, IsReadByAnotherThreadWhileItGrows) {
  constexpr std::uint64_t kTotal = 200'000;
  Counter counter;
  std::thread writer([&counter] {
    for (std::uint64_t i = 0; i < kTotal; ++i) counter.add();
  });
  std::uint64_t seen = 0;
  while (seen < kTotal) {
    const std::uint64_t now = counter.value();
    ASSERT_GE(now, seen);
    seen = now;
  }
  writer.join();
  EXPECT_EQ(counter.value(), kTotal);
}

TEST(Gauge, HoldsTheLastValue) {
  Gauge gauge;
  gauge.set(7);
  gauge.set(3);
  EXPECT_EQ(gauge.value(), 3U);
}

// Bounds are 10, 20, 40, 80, each part of its own bucket.
TEST(Histogram, CountsAValueInTheFirstBucketThatHoldsIt) {
  struct Case {
    std::uint64_t value;
    std::size_t bucket;
  };
  for (const auto& [value, bucket] : {Case{0, 0},
                                      {1, 0},
                                      {9, 0},
                                      {10, 0},
                                      {11, 1},
                                      {20, 1},
                                      {21, 2},
                                      {40, 2},
                                      {41, 3},
                                      {80, 3},
                                      {81, 4},
                                      {1'000'000, 4},
                                      {~std::uint64_t{0}, 4}}) {
    Histogram<10, 4> histogram;
    histogram.record(value);
    for (std::size_t i = 0; i <= 4; ++i)
      EXPECT_EQ(histogram.count(i), i == bucket ? 1U : 0U) << value << " in " << i;
  }
}

TEST(Histogram, AgreesWithItsBoundsForEveryValue) {
  for (std::uint64_t value = 0; value < 70'000; ++value) {
    SizeHistogram histogram;
    histogram.record(value);
    std::size_t expected = 0;
    while (expected < SizeHistogram::kBuckets && SizeHistogram::bound(expected) < value) ++expected;
    ASSERT_EQ(histogram.count(expected), 1U) << value;
  }
}

TEST(Histogram, SumsWhatWasRecordedSeveralTimes) {
  Histogram<1, 8> histogram;
  histogram.record(3, 5);
  histogram.record(4);
  EXPECT_EQ(histogram.sum(), 19U);
  EXPECT_EQ(histogram.count(2), 6U);
}

TEST(ShardMetrics, KeepsErrorsAndReasonsApart) {
  enum class Reason : std::uint8_t { first, second };
  ShardMetrics metrics;
  metrics.errors(Errc::validation).add();
  metrics.errors(Errc::internal).add(2);
  metrics.closed_by_reason(Reason::second).add(3);
  EXPECT_EQ(metrics.errors(Errc::validation).value(), 1U);
  EXPECT_EQ(metrics.errors(Errc::unauthorized).value(), 0U);
  EXPECT_EQ(metrics.errors(Errc::internal).value(), 2U);
  EXPECT_EQ(metrics.closed_by_position(0).value(), 0U);
  EXPECT_EQ(metrics.closed_by_position(1).value(), 3U);
}

TEST(ShardMetrics, SharesNoCacheLineWithAnotherShards) {
  EXPECT_EQ(alignof(ShardMetrics) % 64, 0U);
  EXPECT_EQ(sizeof(ShardMetrics) % 64, 0U);
}

TEST(ShardMetricsDeathTest, StopsOnAReasonWithoutACounter) {
  enum class Reason : std::uint8_t { last = kCloseReasonsMax - 1, beyond = kCloseReasonsMax };
  ShardMetrics metrics;
  metrics.closed_by_reason(Reason::last).add();
  EXPECT_EQ(metrics.closed_by_position(kCloseReasonsMax - 1).value(), 1U);
  EXPECT_DEATH(metrics.closed_by_reason(Reason::beyond).add(), "more close reasons");
}

}  // namespace
}  // namespace ringcast
