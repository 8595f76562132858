// Memory that is received into.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "io/ring.hpp"

namespace ringcast::io {

// Buffers of one size, each with kReceivePadding octets behind it, numbered from 0. Idle
// connections hold none of them, so a few serve thousands; grow() doubles their number, and once no
// round has needed that for kCalm, shrink() is due.
//
// Thread: shard. Lives inside a ring and longer than the kernel's use of it. At most buffers_max;
// grow() then returns false.
class BufferPool {
 public:
  // So long that a busy shard never shrinks between two rounds, so short that what a storm of
  // arrivals took is given back when it is over.
  static constexpr Millis kCalm{1'000};

  explicit BufferPool(const RingOptions& options);

  [[nodiscard]] std::uint32_t size() const { return size_; }
  [[nodiscard]] std::uint32_t size_max() const { return buffers_max_; }
  [[nodiscard]] std::uint32_t buffer_bytes() const { return buffer_bytes_; }
  [[nodiscard]] char* at(std::uint32_t index) const;

  bool grow();
  // A round has used so many of them.
  void note_use(std::size_t buffers, Instant now) {
    if (size_ > buffers_min_ && buffers * 2 > buffers_min_) shrink_at_ = now + kCalm;
  }
  // Max: there is nothing to give back.
  [[nodiscard]] Instant shrink_at() const { return shrink_at_; }
  // Gives back what grow() has added. Nobody uses a buffer during this call.
  void shrink();

 private:
  struct Unmap {
    std::size_t bytes = 0;
    void operator()(char* memory) const { ::munmap(memory, bytes); }
  };
  using Chunk = std::unique_ptr<char, Unmap>;

  bool add_chunk(std::uint32_t buffers);

  std::uint32_t buffer_bytes_;
  std::uint32_t buffers_min_;
  std::uint32_t buffers_max_;
  std::uint32_t size_ = 0;
  Instant shrink_at_ = Instant::max();
  // The first holds buffers_min, each further one as many as all before it.
  std::vector<Chunk> chunks_;
};

}  // namespace ringcast::io
