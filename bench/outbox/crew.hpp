// Applications that commit one row after the other as fast as they can.
#pragma once

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "outbox/database.hpp"
#include "outbox/subscriber.hpp"

namespace ringcast::bench {

// Each with a connection and a thread of its own; one row a transaction, into Ringcast's table.
// Writer w of n writes the rows w, w + n, ... Thread: its owner's.
class Crew {
 public:
  static Result<std::unique_ptr<Crew>> hire(const std::string& url, int writers);
  void begin();
  // Returns how many rows they have committed; error if one could not.
  Result<std::uint64_t> stop();
  [[nodiscard]] std::uint64_t committed() const;

 private:
  struct Writer {
    Database database;
    std::atomic<std::uint64_t> committed = 0;
    Result<void> outcome;
    std::jthread thread;
  };
  std::vector<std::unique_ptr<Writer>> writers_;
};

// Takes a share of the CPUs in short turns as long as it lives, as a program does that is woken
// often. Thread: its owner's.
class Burner {
 public:
  explicit Burner(double share);

 private:
  std::vector<std::jthread> threads_;
};

}  // namespace ringcast::bench
