#include "io/buffer_ring.hpp"

#include <fmt/format.h>
#include <sys/mman.h>

#include <cstring>

namespace ringcast::io {

namespace {
constexpr std::uint32_t kKernelBuffersMax = 32'768;  // io_uring_register(2)
}

BufferRing::BufferRing(const RingOptions& options) : pool_(options) {
  ensure(pool_.size_max() <= kKernelBuffersMax, "a buffer ring has at most 32,768 entries");
}

BufferRing::~BufferRing() {
  if (entries_ != nullptr) ::munmap(entries_, pool_.size_max() * sizeof(io_uring_buf));
}

Result<void> BufferRing::attach(io_uring& ring) {
  // By hand, because liburing 2.3 has no io_uring_setup_buf_ring(). The ring has room for the
  // largest pool from the start: 16 octets a buffer.
  void* memory = ::mmap(nullptr, pool_.size_max() * sizeof(io_uring_buf), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return {Errc::unavailable, "no memory for the receive buffer ring"};
  entries_ = static_cast<io_uring_buf_ring*>(memory);
  return offer(ring);
}

Result<void> BufferRing::offer(io_uring& ring) {
  io_uring_buf_ring_init(entries_);
  io_uring_buf_reg registration{};
  registration.ring_addr = reinterpret_cast<std::uintptr_t>(entries_);
  registration.ring_entries = pool_.size_max();
  registration.bgid = kGroup;
  if (const int result = io_uring_register_buf_ring(&ring, &registration, 0); result != 0)
    return {Errc::unavailable,
            fmt::format("io_uring: provided buffer ring: {}", std::strerror(-result))};
  for (std::uint32_t buffer = 0; buffer < pool_.size(); ++buffer) give(buffer);
  publish();
  return {};
}

char* BufferRing::lend(std::uint16_t buffer) {
  lent_.push_back(buffer);
  return pool_.at(buffer);
}

// The kernel gives no buffer back that it was given, so it gets the first ones in a new ring.
// Receives that are armed look for the group when something has come, and find the new one.
void BufferRing::shrink(io_uring& ring) {
  ensure(lent_.empty(), "BufferRing::shrink: buffers are lent");
  ensure(io_uring_unregister_buf_ring(&ring, kGroup) == 0, "the buffer ring was registered");
  pool_.shrink();
  const auto offered = offer(ring);
  ensure(offered.ok(), "the kernel takes a buffer ring in the place of one that it had");
}

void BufferRing::recycle(Shortage shortage, Instant now) {
  const std::size_t used = shortage == Shortage::yes ? pool_.size() : lent_.size();
  // Three quarters used in one round: the next one would run dry.
  const bool short_soon = lent_.size() * 4 >= std::size_t{pool_.size()} * 3;
  for (const std::uint16_t buffer : lent_) give(buffer);
  lent_.clear();
  if (const std::uint32_t before = pool_.size();
      (shortage == Shortage::yes || short_soon) && pool_.grow())
    for (std::uint32_t buffer = before; buffer < pool_.size(); ++buffer) give(buffer);
  pool_.note_use(used, now);
  publish();
}

void BufferRing::give(std::uint32_t buffer) {
  const auto mask = static_cast<int>(pool_.size_max() - 1);
  io_uring_buf_ring_add(entries_, pool_.at(buffer), pool_.buffer_bytes(),
                        static_cast<unsigned short>(buffer), mask, static_cast<int>(given_));
  ++given_;
}

void BufferRing::publish() {
  if (given_ != 0) io_uring_buf_ring_advance(entries_, static_cast<int>(given_));
  given_ = 0;
}

}  // namespace ringcast::io
