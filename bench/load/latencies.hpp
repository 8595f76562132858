// How long deliveries took.
#pragma once

#include <bit>
#include <cstdint>
#include <vector>

namespace ringcast::bench {

// Buckets of 1/64 of a power of two of nanoseconds: any number of samples, an error of 1.6 %.
// Thread: its owner's.
class Latencies {
 public:
  void add(std::uint64_t nanoseconds) {
    ++buckets_[bucket_of(nanoseconds)];
    ++count_;
  }
  [[nodiscard]] double milliseconds(double quantile) const {
    auto left = static_cast<std::uint64_t>(quantile * static_cast<double>(count_));
    for (std::size_t i = 0; i < buckets_.size(); ++i) {
      if (buckets_[i] > left) return static_cast<double>(upper_end(i)) / 1e6;
      left -= buckets_[i];
    }
    return 0;
  }
  [[nodiscard]] std::uint64_t count() const { return count_; }

 private:
  static constexpr unsigned kBits = 6;
  static constexpr std::uint64_t kSteps = 1U << kBits;

  static std::size_t bucket_of(std::uint64_t value) {
    if (value < kSteps) return value;
    const std::uint64_t shift = 64 - kBits - 1 - static_cast<unsigned>(std::countl_zero(value));
    return shift * kSteps + (value >> shift);
  }
  static std::uint64_t upper_end(std::size_t bucket) {
    if (bucket < 2 * kSteps) return bucket + 1;
    const std::size_t shift = bucket / kSteps - 1;
    return (bucket % kSteps + kSteps + 1) << shift;
  }

  std::vector<std::uint64_t> buckets_ = std::vector<std::uint64_t>(64 * kSteps);
  std::uint64_t count_ = 0;
};

}  // namespace ringcast::bench
