// Which cache lines the engine's shards read and write.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace ringcast::sharing {

// What two shards did with one cache line of 64 octets.
struct Line {
  std::uintptr_t address = 0;
  std::uint64_t writes[2] = {0, 0};
  std::uint64_t reads[2] = {0, 0};
  std::uintptr_t written_by[2] = {0, 0};  // code address of each shard's last store

  [[nodiscard]] bool shared() const {
    return (writes[0] != 0 && writes[1] + reads[1] != 0) ||
           (writes[1] != 0 && writes[0] + reads[0] != 0);
  }
};

// Forgets everything and records from now on. Only threads whose name is "shard 0" or "shard 1"
// count; all others are free. Thread: the test's.
void start();
void stop();

// Loads and stores of this shard since start(): tells which of two served a connection.
[[nodiscard]] std::uint64_t accesses(unsigned shard);

// Lines that one shard wrote and the other touched.
[[nodiscard]] std::vector<Line> shared_lines();

// For a failure's text: address, who did what, and code addresses for addr2line.
[[nodiscard]] std::string describe(const std::vector<Line>& lines);

}  // namespace ringcast::sharing
