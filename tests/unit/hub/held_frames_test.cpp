// What is dropped, replaced and announced behind a blocked socket.
#include "hub/held_frames.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "hub/send_queue.hpp"

namespace ringcast {
namespace {

struct Frame {
  Frame(Offset number, std::string with_key = {},
        FrameLabels::Kind of_kind = FrameLabels::Kind::event)
      : offset(number), key(std::move(with_key)), kind(of_kind) {}
  Offset offset;
  std::string key;
  FrameLabels::Kind kind;
};

constexpr std::size_t kFrameBytes = 10;

// Frames of ten octets: the room's first letter, the offset, padding.
std::shared_ptr<Batch> batch_of(const std::string& room, bool conflate,
                                const std::vector<Frame>& frames) {
  auto batch = std::make_shared<Batch>();
  FrameLabels labels;
  labels.room = room;
  labels.encoding = Encoding::sse;  // whose frames are readable
  labels.conflate = conflate;
  for (const Frame& frame : frames) {
    std::string text = fmt::format("{}{}", room[0], frame.offset);
    text.resize(kFrameBytes - 1, '.');
    batch->bytes() += text + '\n';
    batch->end_frame();
    labels.frames.push_back({frame.kind, frame.offset, frame.key});
  }
  batch->label(std::move(labels));
  return batch;
}

std::shared_ptr<Batch> plain(std::string_view text) {
  auto batch = std::make_shared<Batch>();
  (batch->bytes() += text) += '\n';
  batch->end_frame();
  return batch;
}

// "a1 gap(a 1..4 overflow) a5 ...": lines of the frames above, gaps as they are told.
std::string readable(const std::string& octets) {
  std::string out;
  std::size_t at = 0;
  const auto field = [&](std::string_view line, std::string_view name) {
    const auto begin = line.find(name) + name.size();
    return std::string(line.substr(begin, line.find_first_of(",}\"", begin) - begin));
  };
  while (at < octets.size()) {
    const auto end = std::min(octets.find('\n', at), octets.size());
    std::string line = octets.substr(at, end - at);
    at = end + 1;
    if (line.empty() || line.starts_with("event: ")) continue;
    if (!out.empty()) out += ' ';
    if (line.starts_with("data: ")) {
      out += "gap(" + field(line, "\"room\":\"");
      if (line.find("\"from\"") != std::string::npos)
        out += ' ' + field(line, "\"from\":") + ".." + field(line, "\"to\":");
      out += ' ' + field(line, "\"reason\":\"") + ')';
    } else {
      out += line.substr(0, line.find('.'));
    }
  }
  return out;
}

class HeldFramesTest : public ::testing::Test {
 protected:
  // A socket that has taken nothing.
  void block() {
    const auto batch = plain("X");
    EXPECT_EQ(push(*batch, UINT64_MAX), SendQueue::Pushed::queued);
    queue_.sent_part(0);
  }
  SendQueue::Pushed push(const Batch& batch, std::uint64_t bytes_max) {
    return queue_.push(batch, 0, static_cast<std::uint32_t>(batch.size()), bytes_max);
  }
  SendQueue::Pushed event(const std::string& room, Offset offset, std::uint64_t bytes_max,
                          bool conflate = false, const std::string& key = {}) {
    const auto batch = batch_of(room, conflate, {Frame(offset, key)});
    return push(*batch, bytes_max);
  }
  std::string send(std::size_t octets = SIZE_MAX) {
    queue_.unblock();
    std::string got;
    while (!queue_.empty()) {
      std::vector<iovec> parts;
      queue_.gather(parts, 64);
      std::string all;
      for (const iovec& part : parts)
        all.append(static_cast<const char*>(part.iov_base), part.iov_len);
      if (octets < all.size()) {
        queue_.sent_part(octets);
        return got + all.substr(0, octets);
      }
      octets -= all.size();
      got += all;
      queue_.sent_all(parts.size());
    }
    return got;
  }
  std::string rest() { return readable(send()); }

  SendQueue queue_;
};

TEST_F(HeldFramesTest, TheOldestGoAndAreAnnouncedInTheirPlace) {
  block();
  // 2 octets wait; 10 events more are 102.
  for (Offset i = 1; i <= 10; ++i) EXPECT_EQ(event("a", i, 102), SendQueue::Pushed::queued) << i;
  EXPECT_EQ(event("a", 11, 102), SendQueue::Pushed::lossy);
  const auto losses = queue_.take_losses();
  // The gap's own frame takes the place of several of these small ones.
  EXPECT_EQ(losses.dropped_oldest, 9U);
  EXPECT_EQ(losses.overflow_gaps, 1U);
  EXPECT_FALSE(queue_.has_losses());
  EXPECT_EQ(rest(), "X gap(a 0..9 overflow) a10 a11");
  EXPECT_EQ(queue_.pinned_bytes(), 0U);
}

TEST_F(HeldFramesTest, OneGapGrowsHoweverMuchIsDropped) {
  block();
  for (Offset i = 1; i <= 1'000; ++i) std::ignore = event("a", i * 10, 100);
  EXPECT_EQ(queue_.take_losses().overflow_gaps, 1U);
  EXPECT_LT(queue_.pinned_bytes(), 100U + 4 * HeldFrames::kEntryBytes);
  EXPECT_EQ(rest(), "X gap(a 9..9990 overflow) a10000");
}

TEST_F(HeldFramesTest, AFrameThatIsBegunGoesOutWholeAndTheGapBehindIt) {
  for (std::size_t cut = 0; cut <= 2 * kFrameBytes; ++cut) {
    std::vector<Frame> frames;
    for (Offset i = 1; i <= 20; ++i) frames.emplace_back(i);
    const auto batch = batch_of("a", false, frames);
    std::ignore = push(*batch, 100);
    std::string got = send(cut);
    // Room for the gap and what is left of a frame, and for no event.
    EXPECT_EQ(event("a", 21, 90), SendQueue::Pushed::lossy);
    got += send();
    const char* expected[] = {"gap(a 0..21 overflow)", "a1 gap(a 1..21 overflow)",
                              "a1 a2 gap(a 2..21 overflow)"};
    EXPECT_EQ(readable(got), expected[(cut + kFrameBytes - 1) / kFrameBytes]) << cut;
    EXPECT_TRUE(queue_.empty());
  }
}

TEST_F(HeldFramesTest, AGapThatIsBegunIsFollowedByAnother) {
  block();
  for (Offset i = 1; i <= 20; ++i) std::ignore = event("a", i, 95);
  const std::string got = send(5);
  for (Offset i = 21; i <= 40; ++i) std::ignore = event("a", i, 175);
  EXPECT_EQ(readable(got + send()), "X gap(a 0..19 overflow) gap(a 19..39 overflow) a40");
}

TEST_F(HeldFramesTest, WithoutOffsetsAGapSaysOnlyThatThereIsOne) {
  block();
  for (int i = 0; i < 50; ++i) std::ignore = event("a", 0, 80);
  EXPECT_EQ(rest(), "X gap(a overflow) a0");
}

TEST_F(HeldFramesTest, AnEventTakesThePlaceOfTheOneWithItsKey) {
  block();
  std::ignore = event("a", 1, 1'000, true, "k");
  std::ignore = event("a", 2, 1'000, true, "l");
  std::ignore = event("a", 3, 1'000, true);  // has none
  EXPECT_EQ(event("a", 4, 1'000, true, "k"), SendQueue::Pushed::lossy);
  std::ignore = event("b", 1, 1'000, true, "k");  // another room's key is another key
  const auto losses = queue_.take_losses();
  EXPECT_EQ(losses.conflated, 1U);
  EXPECT_EQ(losses.conflated_gaps, 1U);
  EXPECT_EQ(rest(), "X gap(a 0..1 conflated) a2 a3 a4 b1");
}

TEST_F(HeldFramesTest, GapsThatMeetBecomeOne) {
  block();
  for (Offset i = 1; i <= 300; ++i)
    std::ignore = event("a", i, 100'000, true, std::string(1, static_cast<char>('k' + i % 3)));
  EXPECT_EQ(readable(send()), "X gap(a 0..297 conflated) a298 a299 a300");
  block();
  for (Offset i = 1; i <= 4; ++i)
    std::ignore = event("a", i, 100'000, true, i % 2 != 0 ? "odd" : fmt::format("{}", i));
  EXPECT_EQ(rest(), "X gap(a 0..1 conflated) a2 a3 a4");
}

TEST_F(HeldFramesTest, LatestDropsTheOldestWhereKeysAreTooMany) {
  block();
  for (Offset i = 1; i <= 30; ++i) std::ignore = event("a", i, 100, true, fmt::format("key {}", i));
  const auto losses = queue_.take_losses();
  EXPECT_EQ(losses.dropped_latest, 29U);
  EXPECT_EQ(losses.dropped_oldest, 0U);
  EXPECT_EQ(rest(), "X gap(a 0..29 overflow) a30");
}

TEST_F(HeldFramesTest, WhereBothHappenedTheGapSaysOverflow) {
  block();
  std::ignore = event("a", 1, 1'000, true, "k");
  std::ignore = event("a", 2, 1'000, true, "k");
  for (Offset i = 3; i <= 10; ++i) std::ignore = event("a", i, 1'000, true, "l");
  std::ignore = event("a", 11, 93, true);  // 2 and 10 have to go
  EXPECT_EQ(rest(), "X gap(a 0..10 overflow) a11");
}

TEST_F(HeldFramesTest, LatestAlwaysCopies) {
  block();
  const auto kept = batch_of("a", false, {Frame(1)});
  const auto copied = batch_of("b", true, {Frame(1)});
  std::ignore = push(*kept, 1'000);
  std::ignore = push(*copied, 1'000);
  EXPECT_EQ(kept.use_count(), 2);
  EXPECT_EQ(copied.use_count(), 1);
}

TEST_F(HeldFramesTest, ABatchOfWhichLessThanAQuarterIsLeftIsLetGo) {
  block();
  std::vector<Frame> frames;
  for (Offset i = 1; i <= 40; ++i) frames.emplace_back(i);
  const auto batch = batch_of("a", false, frames);
  std::ignore = push(*batch, 402);
  EXPECT_EQ(batch.use_count(), 2);
  std::ignore = event("a", 41, 2 + 100 + 10 + 81);
  EXPECT_EQ(batch.use_count(), 2) << "a quarter is left";
  std::ignore = event("a", 42, 2 + 100 + 10 + 81);
  EXPECT_EQ(batch.use_count(), 1);
  EXPECT_TRUE(rest().ends_with("a41 a42"));
}

TEST_F(HeldFramesTest, RoomsThatMayLoseMakeRoomForThoseThatMayNot) {
  block();
  for (Offset i = 1; i <= 15; ++i) std::ignore = event("a", i, 1'000);
  EXPECT_EQ(push(*plain("strict"), 1'000), SendQueue::Pushed::queued);
  for (Offset i = 16; i <= 30; ++i) std::ignore = event("a", i, 1'000);
  const std::string large(70, 's');
  const std::uint64_t bytes_max = 2 + 7 + 71 + 81;
  EXPECT_EQ(push(*plain(large), bytes_max), SendQueue::Pushed::lossy);
  EXPECT_EQ(push(*plain(large), bytes_max), SendQueue::Pushed::full);
  EXPECT_EQ(rest(), "X gap(a 0..30 overflow) strict " + large) << "full adds nothing";
}

TEST_F(HeldFramesTest, AnEventThatDoesNotFitBesideTheOthersIsAnnouncedItself) {
  block();
  const std::string strict(200, 's');
  EXPECT_EQ(push(*plain(strict), 1'000), SendQueue::Pushed::queued);
  for (Offset i = 1; i <= 8; ++i) EXPECT_EQ(event("a", i, 283), SendQueue::Pushed::queued);
  EXPECT_EQ(event("a", 9, 283), SendQueue::Pushed::lossy);
  EXPECT_EQ(rest(), "X " + strict + " gap(a 0..9 overflow)");
}

TEST_F(HeldFramesTest, NotEvenRoomForTheGapIsFull) {
  block();
  EXPECT_EQ(push(*plain(std::string(100, 's')), 1'000), SendQueue::Pushed::queued);
  EXPECT_EQ(event("a", 1, 110), SendQueue::Pushed::full);
}

TEST_F(HeldFramesTest, ANoticeIsNeverDroppedAndANewerStateReplacesTheOlder) {
  block();
  const auto of_kind = [&](FrameLabels::Kind kind, Offset number) {
    const auto batch = batch_of("a", false, {Frame(number, {}, kind)});
    std::ignore = push(*batch, 120);
  };
  std::ignore = event("a", 1, 120);
  of_kind(FrameLabels::Kind::state, 70);
  of_kind(FrameLabels::Kind::notice, 80);
  of_kind(FrameLabels::Kind::state, 71);
  for (Offset i = 2; i <= 30; ++i) std::ignore = event("a", i, 195);
  const std::string got = rest();
  EXPECT_TRUE(got.starts_with("X gap(a 0..1 overflow) a80 a71 gap(a 1..")) << got;
  EXPECT_TRUE(got.ends_with("a30")) << got;
}

TEST_F(HeldFramesTest, WhatIsJoinedAgainAnnouncesItsLossesBehindTheAnswer) {
  block();
  for (Offset i = 1; i <= 10; ++i) std::ignore = event("a", i, 90);
  std::ignore = push(*plain("subscribed"), 1'000);
  queue_.cut("a");
  for (Offset i = 11; i <= 30; ++i) std::ignore = event("a", i, 190);
  const std::string got = rest();
  EXPECT_NE(got.find("subscribed gap(a 10..29 overflow) a30"), std::string::npos) << got;
}

// Whatever comes and goes in whatever pieces: per room what was seen and what was announced is
// everything, in order, and nothing is announced that was seen.
TEST_F(HeldFramesTest, SeenAndAnnouncedIsEverything) {
  for (unsigned seed = 0; seed < 300; ++seed) {
    std::mt19937 random(seed);
    SendQueue queue;
    std::string got;
    std::uint64_t bytes_max = 60 + random() % 500;
    std::vector<Offset> next(3, 1);
    const auto visit = [&](std::size_t octets) {
      std::vector<iovec> parts;
      queue.gather(parts, 1 + random() % 8);
      std::string all;
      for (const iovec& part : parts)
        all.append(static_cast<const char*>(part.iov_base), part.iov_len);
      got += all.substr(0, octets);
      if (parts.empty()) return;
      if (octets < all.size())
        queue.sent_part(octets);
      else
        queue.sent_all(parts.size());
    };
    for (int step = 0; step < 300; ++step) {
      std::vector<std::shared_ptr<Batch>> tick;
      for (auto batches = random() % 3; batches != 0; --batches) {
        const auto room = random() % 3;
        std::vector<Frame> frames;
        for (auto count = 1 + random() % 6; count != 0; --count)
          frames.emplace_back(next[room]++, fmt::format("{}", random() % 4));
        tick.push_back(batch_of(std::string(1, static_cast<char>('a' + room)), room == 0, frames));
        ASSERT_NE(queue.push(*tick.back(), 0, static_cast<std::uint32_t>(tick.back()->size()),
                             1'000 + bytes_max),
                  SendQueue::Pushed::full);
      }
      if (random() % 3 == 0) queue.unblock();
      visit(random() % 150);
      EXPECT_LT(queue.pinned_bytes(), 100'000U);
    }
    queue.unblock();
    while (!queue.empty()) visit(SIZE_MAX);
    std::vector<Offset> at(3, 0);
    std::size_t begin = 0;
    const std::string text = readable(got) + ' ';
    for (std::size_t end = 0; (end = text.find_first_of(' ', begin)) != std::string::npos;) {
      if (text[begin] == 'g') end = text.find(')', begin) + 1;
      const std::string word = text.substr(begin, end - begin);
      begin = end + 1;
      const bool gap = word[0] == 'g';
      const auto room = static_cast<std::size_t>(word[gap ? 4 : 0] - 'a');
      ASSERT_LT(room, 3U) << word;
      const Offset first = std::stoull(word.substr(gap ? 6 : 1));
      ASSERT_EQ(first, gap ? at[room] : at[room] + 1) << seed << ": " << word << "\n" << text;
      at[room] = gap ? std::stoull(word.substr(word.find("..") + 2)) : first;
    }
    for (std::size_t room = 0; room < 3; ++room) ASSERT_EQ(at[room] + 1, next[room]) << seed;
  }
}

}  // namespace
}  // namespace ringcast
