#include "hub/send_queue.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

namespace ringcast {
namespace {

constexpr std::uint64_t kEntry = HeldFrames::kEntryBytes;

std::shared_ptr<Batch> batch_of(std::string_view bytes) {
  auto batch = std::make_shared<Batch>();
  batch->bytes() = bytes;
  batch->end_frame();
  return batch;
}

std::string text_of(const std::vector<iovec>& parts) {
  std::string out;
  for (const iovec& part : parts) out.append(static_cast<const char*>(part.iov_base), part.iov_len);
  return out;
}

std::string waiting(const SendQueue& queue, std::size_t parts_max = 64) {
  std::vector<iovec> parts;
  queue.gather(parts, parts_max);
  EXPECT_LE(parts.size(), parts_max);
  return text_of(parts);
}

void push_all(SendQueue& queue, const Batch& batch) {
  ASSERT_EQ(queue.push(batch, 0, static_cast<std::uint32_t>(batch.size()), UINT64_MAX),
            SendQueue::Pushed::queued);
}

// One visit of a socket that takes `octets`; returns what it took.
std::string send(SendQueue& queue, std::size_t octets, std::size_t parts_max = 64) {
  std::vector<iovec> parts;
  queue.gather(parts, parts_max);
  const std::string all = text_of(parts);
  if (parts.empty()) return {};
  if (octets >= all.size())
    queue.sent_all(parts.size());
  else
    queue.sent_part(octets);
  return all.substr(0, std::min(octets, all.size()));
}

TEST(SendQueue, IsEmptyAndHoldsNothingAtFirst) {
  SendQueue queue;
  EXPECT_TRUE(queue.empty());
  EXPECT_FALSE(queue.blocked());
  EXPECT_EQ(queue.pinned_bytes(), 0U);
  EXPECT_EQ(waiting(queue), "");
}

TEST(SendQueue, ASliceOfNothingIsNothing) {
  SendQueue queue;
  const auto batch = batch_of("abc");
  EXPECT_EQ(queue.push(*batch, 2, 2, 0), SendQueue::Pushed::queued);
  EXPECT_TRUE(queue.empty());
}

TEST(SendQueue, MergesSlicesThatMeetInOneBatch) {
  SendQueue queue;
  const auto batch = batch_of("abcdef");
  std::ignore = queue.push(*batch, 0, 2, 100);
  std::ignore = queue.push(*batch, 2, 5, 100);
  std::vector<iovec> parts;
  queue.gather(parts, 64);
  ASSERT_EQ(parts.size(), 1U);
  EXPECT_EQ(text_of(parts), "abcde");
  queue.sent_all(1);
  EXPECT_TRUE(queue.empty());
}

TEST(SendQueue, KeepsSlicesApartThatDoNotMeet) {
  SendQueue queue;
  const auto one = batch_of("abcdef");
  const auto two = batch_of("ghi");
  std::ignore = queue.push(*one, 0, 2, 100);
  std::ignore = queue.push(*one, 3, 4, 100);  // the frame between is not for this user
  std::ignore = queue.push(*two, 0, 1, 100);
  std::ignore = queue.push(*two, 1, 3, 100);
  std::vector<iovec> parts;
  queue.gather(parts, 64);
  EXPECT_EQ(parts.size(), 3U);
  EXPECT_EQ(text_of(parts), "abdghi");
  queue.sent_all(parts.size());
  EXPECT_TRUE(queue.empty());
}

TEST(SendQueue, AnUnblockedQueueKeepsNoBatchAlive) {
  SendQueue queue;
  const auto batch = batch_of("abcdef");
  push_all(queue, *batch);
  EXPECT_EQ(batch.use_count(), 1);
  EXPECT_EQ(queue.pinned_bytes(), 0U);
}

// Four slices of three batches; every split of two visits gives the same octets.
TEST(SendQueue, EverySplitIsExactToTheOctet) {
  const std::string expected = "ABCDEFGHIJKLmnopqrstuv0123456789";
  for (std::size_t first = 0; first <= expected.size(); ++first) {
    for (std::size_t second = 0; second <= expected.size() - first; ++second) {
      SendQueue queue;
      auto one = batch_of("ABCDEFGHIJKL");
      auto two = batch_of("..mnopqrstuv.................................");
      auto three = batch_of("0123456789");
      push_all(queue, *one);
      std::ignore = queue.push(*two, 2, 12, 1'000);
      std::ignore = queue.push(*three, 0, 4, 1'000);
      std::ignore = queue.push(*three, 4, 10, 1'000);
      std::string got = send(queue, first);
      one.reset();  // the end of the tick: only the queue may still hold them
      two.reset();
      three.reset();
      if (got.size() < expected.size()) {
        ASSERT_TRUE(queue.blocked());
        EXPECT_EQ(waiting(queue), "") << "a blocked queue sends nothing";
        queue.unblock();
        got += send(queue, second);
        if (got.size() < expected.size()) queue.unblock();
        got += send(queue, SIZE_MAX);
      }
      ASSERT_EQ(got, expected) << first << " then " << second;
      EXPECT_TRUE(queue.empty());
      EXPECT_EQ(queue.pinned_bytes(), 0U);
    }
  }
}

TEST(SendQueue, ASendOfAFewPartsLeavesTheRestForTheNext) {
  SendQueue queue;
  std::vector<std::shared_ptr<Batch>> batches;
  std::string expected;
  for (char c = 'a'; c < 'a' + 10; ++c) {
    batches.push_back(batch_of(std::string(3, c)));
    push_all(queue, *batches.back());
    expected += std::string(3, c);
  }
  std::string got = send(queue, SIZE_MAX, 4);
  EXPECT_EQ(got.size(), 12U);
  EXPECT_FALSE(queue.empty());
  EXPECT_FALSE(queue.blocked());
  batches.clear();
  const auto later = batch_of("later");
  push_all(queue, *later);
  while (!queue.empty()) got += send(queue, SIZE_MAX, 4);
  EXPECT_EQ(got, expected + "later");
  EXPECT_EQ(queue.pinned_bytes(), 0U);
}

TEST(SendQueue, WhatComesWhileBlockedGoesOutBehindWhatWaits) {
  SendQueue queue;
  auto one = batch_of("first");
  push_all(queue, *one);
  std::string got = send(queue, 2);
  auto two = batch_of("second");
  push_all(queue, *two);
  EXPECT_EQ(waiting(queue), "");
  one.reset();
  two.reset();
  queue.unblock();
  auto three = batch_of("third");
  push_all(queue, *three);
  got += send(queue, SIZE_MAX);
  EXPECT_EQ(got, "firstsecondthird");
}

TEST(SendQueue, CopiesASliceUnderAQuarterAndRefersToALargerOne) {
  struct Row {
    std::uint32_t end;
    bool copied;
  };
  for (const Row& row : {Row{24, true}, Row{25, false}, Row{26, false}, Row{100, false}}) {
    SendQueue queue;
    const auto batch = batch_of(std::string(100, 'x'));
    std::ignore = queue.push(*batch, 0, row.end, 1'000);
    send(queue, 0);
    EXPECT_EQ(batch.use_count(), row.copied ? 1 : 2) << row.end;
    EXPECT_EQ(queue.pinned_bytes(), (row.copied ? row.end : 100U) + kEntry) << row.end;
  }
}

TEST(SendQueue, PinsAWholeBatchWhileAQuarterOfItWaits) {
  SendQueue queue;
  const auto batch = batch_of(std::string(100, 'x'));
  push_all(queue, *batch);
  send(queue, 75);
  EXPECT_EQ(queue.pinned_bytes(), 100U + kEntry);
  EXPECT_EQ(batch.use_count(), 2);
  queue.unblock();
  send(queue, 24);
  EXPECT_EQ(queue.pinned_bytes(), 100U + kEntry) << "what is referred to is kept to its last octet";
  queue.unblock();
  send(queue, 1);
  EXPECT_EQ(queue.pinned_bytes(), 0U);
  EXPECT_EQ(batch.use_count(), 1);
  EXPECT_TRUE(queue.empty());
}

// Answers of one tick share a batch, which grows while a blocked queue holds a part of it already.
TEST(SendQueue, PinnedBytesComeBackToZeroWhenTheBatchGrewMeanwhile) {
  SendQueue queue;
  const auto first = batch_of("first");
  push_all(queue, *first);
  send(queue, 0);
  const auto replies = batch_of("reply");
  push_all(queue, *replies);
  replies->bytes() += std::string(1'000, 'y');  // for somebody else
  replies->end_frame();
  const auto last = batch_of("last");
  push_all(queue, *last);
  queue.unblock();
  EXPECT_EQ(send(queue, 10), "firstreply");
  EXPECT_EQ(queue.pinned_bytes(), 4U + kEntry)
      << "the last one, and no number that went round zero";
  queue.unblock();
  send(queue, SIZE_MAX);
  EXPECT_EQ(queue.pinned_bytes(), 0U);
}

TEST(SendQueue, TakesBytesMaxWhileBlockedAndNotOneMore) {
  SendQueue queue;
  const auto first = batch_of("0123456789");
  push_all(queue, *first);
  send(queue, 4);  // 6 are held
  const auto more = batch_of("abcdefghij");
  EXPECT_EQ(queue.push(*more, 0, 5, 10), SendQueue::Pushed::full);
  EXPECT_EQ(queue.push(*more, 0, 4, 10), SendQueue::Pushed::queued);
  EXPECT_EQ(queue.push(*more, 4, 5, 10), SendQueue::Pushed::full);
  queue.unblock();
  EXPECT_EQ(send(queue, SIZE_MAX), "456789abcd") << "what was refused left nothing behind";
}

TEST(SendQueue, AnEmptyQueueTakesASliceOfAnySize) {
  SendQueue queue;
  const auto large = batch_of(std::string(1'000, 'x'));
  EXPECT_EQ(queue.push(*large, 0, 1'000, 10), SendQueue::Pushed::queued);
  send(queue, 0);
  const auto more = batch_of("a");
  EXPECT_EQ(queue.push(*more, 0, 1, 10), SendQueue::Pushed::full);
}

TEST(SendQueue, WhatWaitsForTheNextVisitCountsAgainstBytesMaxToo) {
  SendQueue queue;
  const auto one = batch_of("aaaaaaaa");
  const auto two = batch_of("bbbbbbbb");
  const auto three = batch_of("cc");
  push_all(queue, *one);
  push_all(queue, *two);
  send(queue, SIZE_MAX, 1);  // two is left, and nothing is blocked
  EXPECT_EQ(queue.push(*three, 0, 2, 9), SendQueue::Pushed::full);
  EXPECT_EQ(queue.push(*three, 0, 2, 10), SendQueue::Pushed::queued);
  EXPECT_EQ(send(queue, SIZE_MAX), "bbbbbbbbcc");
}

TEST(SendQueue, HoldsNoMemoryOnceEverythingIsOut) {
  SendQueue queue;
  const auto batch = batch_of("abc");
  push_all(queue, *batch);
  send(queue, 1);
  queue.unblock();
  send(queue, SIZE_MAX);
  EXPECT_TRUE(queue.empty());
  EXPECT_FALSE(queue.blocked());
  queue.unblock();  // a second `writable` changes nothing
  EXPECT_TRUE(queue.empty());
}

TEST(SendQueue, MorePartsOrOctetsThanThereWereIsOurOwnMistake) {
  const auto batch = batch_of("abc");
  SendQueue queue;
  push_all(queue, *batch);
  EXPECT_DEATH(queue.sent_all(2), "more parts than slices");
  EXPECT_DEATH(queue.sent_part(4), "more octets sent than held");
}

}  // namespace
}  // namespace ringcast
