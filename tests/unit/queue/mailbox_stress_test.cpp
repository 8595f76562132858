// Threads against each other: order, no loss, no item twice, and no wake that is lost. Meant to be
// run under TSan too (scripts/tsan).
#include <gtest/gtest.h>
#include <poll.h>

#include <array>
#include <atomic>
#include <thread>
#include <vector>

#include "queue/mailbox.hpp"

namespace ringcast {

struct Numbered {
  std::uint32_t sender = 0;
  std::uint64_t number = 0;
};

template <>
inline constexpr bool crosses_threads<Numbered> = true;

namespace {

using Box = Mailbox<Numbered>;

// The owner of a mailbox as the shards are: it parks, looks once more, and sleeps. A wake that is
// lost shows as a sleep that nothing ends.
class Owner {
 public:
  explicit Owner(Box& box, Wakeup& wakeup) : receiver_(box), wakeup_(wakeup) {}

  // Until `total` items were handled; false if nothing came for 20 s.
  template <class Handle>
  bool run(std::uint64_t total, std::size_t per_drain, Handle handle) {
    while (handled_ < total) {
      wakeup_.park();
      const std::size_t now = receiver_.drain(per_drain, handle);
      handled_ += now;
      if (now != 0 || receiver_.has_refused()) {
        wakeup_.unpark();
        continue;
      }
      ++sleeps_;
      pollfd watched{wakeup_.fd(), POLLIN, 0};
      if (::poll(&watched, 1, 20'000) != 1) return false;
      wakeup_.unpark();
      wakeup_.drain();
    }
    return true;
  }
  [[nodiscard]] std::uint64_t sleeps() const { return sleeps_; }

 private:
  Box::Receiver receiver_;
  Wakeup& wakeup_;
  std::uint64_t handled_ = 0;
  std::uint64_t sleeps_ = 0;
};

void produce(Box::Sender sender, std::uint32_t who, std::uint64_t count, std::uint64_t bulk) {
  for (std::uint64_t i = 0; i < count;) {
    std::uint64_t sent = 0;
    while (sent < bulk && i < count && sender.try_send({who, i})) ++sent, ++i;
    sender.wake();
    if (sent == 0) std::this_thread::yield();
  }
}

TEST(MailboxStress, TwoThreadsLoseNothingAndKeepOrder) {
  constexpr std::uint64_t kCount = 100'000;
  for (const std::uint64_t bulk : {1U, 7U, 64U}) {
    Wakeup wakeup;
    Box box(wakeup);
    std::jthread producer(produce, box.open(64), 0U, kCount, bulk);
    std::uint64_t next = 0;
    Owner owner(box, wakeup);
    ASSERT_TRUE(owner.run(kCount, 48,
                          [&](Numbered&& item) {
                            EXPECT_EQ(item.number, next);
                            next = item.number + 1;
                            return true;
                          }))
        << "stuck at " << next << " with bulk " << bulk;
    EXPECT_EQ(next, kCount);
  }
}

// Two places: a credit comes back only after its item was handled, and so after the answer.
TEST(MailboxStress, APingPongNeverLosesAWake) {
  constexpr std::uint64_t kRounds = 5'000;
  Wakeup here;
  Wakeup there;
  Box to_here(here);
  Box to_there(there);
  Box::Sender ball = to_there.open(2);
  std::jthread other([&, back = to_here.open(2)]() mutable {
    Owner owner(to_there, there);
    EXPECT_TRUE(owner.run(kRounds, 1, [&](Numbered&& item) {
      EXPECT_TRUE(back.try_send(std::move(item)));
      back.wake();
      return true;
    }));
  });
  Owner owner(to_here, here);
  std::uint64_t served = 0;
  const auto serve = [&] {
    EXPECT_TRUE(ball.try_send({0, served++}));
    ball.wake();
  };
  serve();
  EXPECT_TRUE(owner.run(kRounds, 1, [&](Numbered&& item) {
    EXPECT_EQ(item.number + 1, served);
    if (served < kRounds) serve();
    return true;
  }));
}

TEST(MailboxStress, SendersThatAreRefusedNowAndThenKeepTheirOrder) {
  constexpr std::uint64_t kCount = 20'000;
  constexpr std::uint32_t kSenders = 3;
  Wakeup wakeup;
  Box box(wakeup);
  std::vector<std::jthread> producers;
  for (std::uint32_t i = 0; i < kSenders; ++i)
    producers.emplace_back(produce, box.open(16), i, kCount, std::uint64_t{5});
  std::array<std::uint64_t, kSenders> next{};
  std::uint64_t offered = 0;
  Owner owner(box, wakeup);
  ASSERT_TRUE(owner.run(kSenders * kCount, 40, [&](Numbered&& item) {
    if (++offered % 11 == 0) return false;
    EXPECT_EQ(item.number, next[item.sender]);
    next[item.sender] = item.number + 1;
    return true;
  }));
  for (const std::uint64_t reached : next) EXPECT_EQ(reached, kCount);
}

TEST(MailboxStress, LanesThatChangeHandsBetweenThreadsLoseNothing) {
  constexpr std::uint64_t kTurns = 300;
  constexpr std::uint64_t kEach = 20;
  Wakeup wakeup;
  Box box(wakeup);
  std::jthread first([&] {
    for (std::uint64_t turn = 0; turn < kTurns; ++turn) produce(box.open(8), 0, kEach, 4);
  });
  std::jthread second([&] {
    for (std::uint64_t turn = 0; turn < kTurns; ++turn) produce(box.open(8), 1, kEach, 4);
  });
  std::array<std::uint64_t, 2> sum{};
  Owner owner(box, wakeup);
  ASSERT_TRUE(owner.run(2 * kTurns * kEach, 16, [&](Numbered&& item) {
    sum[item.sender] += item.number;
    return true;
  }));
  for (const std::uint64_t reached : sum) EXPECT_EQ(reached, kTurns * (kEach * (kEach - 1) / 2));
}

}  // namespace
}  // namespace ringcast
