#include "io/buffer_pool.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace ringcast::io {
namespace {

TEST(BufferPool, DoublesUpToItsMaximumWithoutMovingABuffer) {
  BufferPool pool(
      {.receive_buffer_bytes = 100, .receive_buffers_min = 4, .receive_buffers_max = 32});
  std::vector<char*> known;
  for (const std::uint32_t size : {4U, 8U, 16U, 32U}) {
    ASSERT_EQ(pool.size(), size);
    for (std::uint32_t i = 0; i < known.size(); ++i) ASSERT_EQ(pool.at(i), known[i]);
    for (auto i = static_cast<std::uint32_t>(known.size()); i < size; ++i)
      known.push_back(pool.at(i));
    EXPECT_EQ(pool.grow(), size < 32);
  }
  EXPECT_EQ(pool.size(), 32U);
}

TEST(BufferPool, GivesBackWhatItGrewByOnceNobodyNeedsIt) {
  BufferPool pool(
      {.receive_buffer_bytes = 100, .receive_buffers_min = 4, .receive_buffers_max = 32});
  const Instant now = Instant() + Millis(5);
  pool.note_use(4, now);
  EXPECT_EQ(pool.shrink_at(), Instant::max()) << "the first ones stay";
  ASSERT_TRUE(pool.grow());
  ASSERT_TRUE(pool.grow());
  pool.note_use(16, now);
  EXPECT_EQ(pool.shrink_at(), now + BufferPool::kCalm);
  pool.note_use(3, now + Millis(1));
  EXPECT_EQ(pool.shrink_at(), now + Millis(1) + BufferPool::kCalm) << "more than half of the first";
  pool.note_use(2, now + Millis(2));
  EXPECT_EQ(pool.shrink_at(), now + Millis(1) + BufferPool::kCalm);
  char* const first = pool.at(0);
  pool.shrink();
  EXPECT_EQ(pool.size(), 4U);
  EXPECT_EQ(pool.at(0), first);
  EXPECT_EQ(pool.shrink_at(), Instant::max());
  EXPECT_TRUE(pool.grow());
  std::fill_n(pool.at(7), 100 + kReceivePadding, 'x');
}

TEST(BufferPool, GivesEveryBufferItsOwnPaddedMemory) {
  BufferPool pool(
      {.receive_buffer_bytes = 100, .receive_buffers_min = 2, .receive_buffers_max = 16});
  while (pool.grow()) {
  }
  constexpr std::size_t kBytes = 100 + kReceivePadding;
  for (std::uint32_t i = 0; i < pool.size(); ++i)
    std::fill_n(pool.at(i), kBytes, static_cast<char>(i));
  for (std::uint32_t i = 0; i < pool.size(); ++i)
    EXPECT_EQ(std::count(pool.at(i), pool.at(i) + kBytes, static_cast<char>(i)),
              static_cast<std::ptrdiff_t>(kBytes));
}

}  // namespace
}  // namespace ringcast::io
