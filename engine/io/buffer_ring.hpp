// The receive buffers as the kernel picks them.
#pragma once

#include <liburing.h>

#include <cstdint>
#include <vector>

#include "base/result.hpp"
#include "io/buffer_pool.hpp"

namespace ringcast::io {

// A provided buffer ring over a pool: the kernel takes a buffer when bytes are there, so an armed
// receive holds none. A buffer it filled is lent to the caller until recycle().
//
// Thread: shard. Lives inside a ring, outlives the io_uring that it is registered with. When all
// buffers are filled a receive ends with ENOBUFS; recycle(Shortage::yes) then adds as many again,
// up to the pool's maximum.
class BufferRing {
 public:
  static constexpr std::uint16_t kGroup = 1;
  enum class Shortage { no, yes };

  explicit BufferRing(const RingOptions& options);
  ~BufferRing();
  BufferRing(const BufferRing&) = delete;
  BufferRing& operator=(const BufferRing&) = delete;

  Result<void> attach(io_uring& ring);

  // The buffer that a completion names.
  [[nodiscard]] char* lend(std::uint16_t buffer);

  // Gives every lent buffer back to the kernel.
  void recycle(Shortage shortage, Instant now);

  // When shrink() is due; max: it is not.
  [[nodiscard]] Instant shrink_at() const { return pool_.shrink_at(); }
  // Only while no completion is on its way that names a buffer.
  void shrink(io_uring& ring);

  [[nodiscard]] std::uint32_t size() const { return pool_.size(); }

 private:
  Result<void> offer(io_uring& ring);
  void give(std::uint32_t buffer);
  void publish();

  BufferPool pool_;
  io_uring_buf_ring* entries_ = nullptr;
  std::uint32_t given_ = 0;
  std::vector<std::uint16_t> lent_;
};

}  // namespace ringcast::io
