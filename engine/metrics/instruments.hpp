// What can be counted without a lock: one thread writes, any thread reads.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace ringcast {

// A number that only grows.
//
// Thread: written by one thread, read by any. A load and a store instead of fetch_add: with a
// single writer nothing is lost, and a locked instruction would cost ten times as much.
class Counter {
 public:
  void add(std::uint64_t count = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + count, std::memory_order_relaxed);
  }
  // For a writer that keeps the sum itself.
  void advance_to(std::uint64_t total) { value_.store(total, std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

// A number that goes up and down. Thread: written by one thread, read by any.
class Gauge {
 public:
  void set(std::uint64_t value) { value_.store(value, std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

// Counts of values in Buckets steps that double: the first holds what is at most First, the next
// at most 2 * First, ...; what is above the last bound is counted beyond all of them.
//
// Thread: written by one thread, read by any. A reader may see a value in its bucket and not yet in
// the sum.
template <std::uint64_t First, std::size_t Buckets>
class Histogram {
 public:
  static_assert(First > 0 && Buckets > 0 && std::bit_width(First) + Buckets < 64);
  static constexpr std::size_t kBuckets = Buckets;

  void record(std::uint64_t value, std::uint64_t times = 1) {
    const auto step =
        value == 0 ? 0 : static_cast<std::size_t>(std::bit_width((value - 1) / First));
    counts_[step < Buckets ? step : Buckets].add(times);
    sum_.add(value * times);
  }

  [[nodiscard]] static constexpr std::uint64_t bound(std::size_t bucket) { return First << bucket; }
  // Not cumulative; bucket kBuckets holds what is above the last bound.
  [[nodiscard]] std::uint64_t count(std::size_t bucket) const { return counts_[bucket].value(); }
  [[nodiscard]] std::uint64_t sum() const { return sum_.value(); }

 private:
  std::array<Counter, Buckets + 1> counts_;
  Counter sum_;
};

}  // namespace ringcast
