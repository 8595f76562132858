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
// connections hold none of them, so a few serve thousands; grow() doubles their number.
//
// Thread: shard. Lives inside a ring and longer than the kernel's use of it. At most buffers_max;
// grow() then returns false.
class BufferPool {
 public:
  explicit BufferPool(const RingOptions& options);

  [[nodiscard]] std::uint32_t size() const { return size_; }
  [[nodiscard]] std::uint32_t size_max() const { return buffers_max_; }
  [[nodiscard]] std::uint32_t buffer_bytes() const { return buffer_bytes_; }
  [[nodiscard]] char* at(std::uint32_t index) const;

  bool grow();

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
  // The first holds buffers_min, each further one as many as all before it.
  std::vector<Chunk> chunks_;
};

}  // namespace ringcast::io
