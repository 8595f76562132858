#include "io/buffer_pool.hpp"

#include <bit>

namespace ringcast::io {

BufferPool::BufferPool(const RingOptions& options)
    : buffer_bytes_(options.receive_buffer_bytes),
      buffers_min_(options.receive_buffers_min),
      buffers_max_(options.receive_buffers_max) {
  ensure(std::has_single_bit(buffers_min_) && std::has_single_bit(buffers_max_) &&
             buffers_min_ <= buffers_max_ && buffer_bytes_ > 0,
         "numbers of receive buffers are powers of two, min <= max");
  ensure(add_chunk(buffers_min_), "memory for the first receive buffers");
}

char* BufferPool::at(std::uint32_t index) const {
  ensure(index < size_, "a receive buffer of this pool");
  // Chunk 0 holds [0, min), chunk n holds [min * 2^(n-1), min * 2^n).
  const auto chunk = static_cast<std::size_t>(std::bit_width(index / buffers_min_));
  const std::uint32_t first = chunk == 0 ? 0 : buffers_min_ << (chunk - 1);
  return chunks_[chunk].get() + std::size_t{index - first} * (buffer_bytes_ + kReceivePadding);
}

bool BufferPool::grow() { return size_ < buffers_max_ && add_chunk(size_); }

void BufferPool::shrink() {
  chunks_.resize(1);
  size_ = buffers_min_;
  shrink_at_ = Instant::max();
}

bool BufferPool::add_chunk(std::uint32_t buffers) {
  const std::size_t bytes = std::size_t{buffers} * (buffer_bytes_ + kReceivePadding);
  void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return false;
  chunks_.emplace_back(static_cast<char*>(memory), Unmap{bytes});
  size_ += buffers;
  return true;
}

}  // namespace ringcast::io
