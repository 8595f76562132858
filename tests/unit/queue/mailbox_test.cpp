#include "queue/mailbox.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace ringcast {

// What the tests send: who, its number, and something that shows whether it was moved from.
struct Parcel {
  int sender = 0;
  int number = 0;
  std::unique_ptr<std::string> load;
};

template <>
inline constexpr bool crosses_threads<Parcel> = true;

// What takes as many places as it says.
struct Crate {
  std::uint64_t places = 1;
};
std::uint64_t places_of(const Crate& crate) { return crate.places; }

template <>
inline constexpr bool crosses_threads<Crate> = true;

namespace {

using Box = Mailbox<Parcel>;

class MailboxTest : public ::testing::Test {
 protected:
  static Parcel parcel(int sender, int number) {
    return {sender, number, std::make_unique<std::string>("load")};
  }
  static void send(Box::Sender& sender, int who, int number) {
    ASSERT_TRUE(sender.try_send(parcel(who, number)));
  }
  // Everything that is there now, as (sender, number).
  std::vector<std::pair<int, int>> take(std::size_t max = SIZE_MAX) {
    std::vector<std::pair<int, int>> taken;
    receiver_.drain(max, [&](Parcel&& item) {
      EXPECT_TRUE(item.load) << "an item came without what it carries";
      taken.emplace_back(item.sender, item.number);
      const Parcel gone = std::move(item);
      return true;
    });
    return taken;
  }

  Wakeup wakeup_;
  Box box_{wakeup_};
  Box::Receiver receiver_{box_};
};

using Taken = std::vector<std::pair<int, int>>;

TEST_F(MailboxTest, AnEmptyOneGivesNothing) {
  EXPECT_TRUE(take().empty());
  Box::Sender sender = box_.open(4);
  EXPECT_TRUE(take().empty());
  EXPECT_FALSE(receiver_.has_refused());
}

TEST_F(MailboxTest, KeepsTheOrderOfASender) {
  Box::Sender sender = box_.open(300);
  Taken expected;
  for (int i = 0; i < 300; ++i) {  // more than one block of the queue below
    send(sender, 1, i);
    expected.emplace_back(1, i);
  }
  EXPECT_EQ(take(), expected);
}

TEST_F(MailboxTest, KeepsEachOrderWhenSendersMix) {
  Box::Sender one = box_.open(100);
  Box::Sender two = box_.open(100);
  for (int i = 0; i < 100; ++i) {
    send(one, 1, i);
    send(two, 2, i);
  }
  int next[3] = {0, 0, 0};
  for (const auto& [sender, number] : take()) EXPECT_EQ(number, next[sender]++);
  EXPECT_EQ(next[1], 100);
  EXPECT_EQ(next[2], 100);
}

TEST_F(MailboxTest, CreditsAreExactOnBothSides) {
  Box::Sender sender = box_.open(3);
  EXPECT_EQ(sender.credits(), 3U);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(sender.credits(), static_cast<std::uint64_t>(3 - i));
    send(sender, 1, i);
  }
  EXPECT_EQ(sender.credits(), 0U);
  Parcel refused = parcel(1, 3);
  EXPECT_FALSE(sender.try_send(std::move(refused)));
  EXPECT_TRUE(refused.load) << "a refused item is untouched";

  EXPECT_EQ(take(1), (Taken{{1, 0}}));
  EXPECT_EQ(sender.credits(), 1U);
  EXPECT_TRUE(sender.try_send(std::move(refused)));
  EXPECT_EQ(sender.credits(), 0U);
  EXPECT_EQ(take(), (Taken{{1, 1}, {1, 2}, {1, 3}}));
  EXPECT_EQ(sender.credits(), 3U);
}

TEST_F(MailboxTest, ASenderWithoutCreditsDoesNotKeepOthersFromTheirs) {
  Box::Sender one = box_.open(1);
  Box::Sender two = box_.open(1);
  send(one, 1, 0);
  EXPECT_EQ(one.credits(), 0U);
  EXPECT_EQ(two.credits(), 1U);
}

TEST_F(MailboxTest, AReservedSendGoesBeyondTheCreditsAndIsPaidBackInFull) {
  Box::Sender sender = box_.open(2);
  for (int i = 0; i < 5; ++i) sender.send_reserved(parcel(1, i));
  EXPECT_EQ(sender.credits(), 0U) << "not a huge number that went round zero";
  EXPECT_EQ(take(3).size(), 3U);
  EXPECT_EQ(sender.credits(), 0U);
  EXPECT_EQ(take(1).size(), 1U);
  EXPECT_EQ(sender.credits(), 1U);
  EXPECT_EQ(take().size(), 1U);
  EXPECT_EQ(sender.credits(), 2U);
}

TEST(MailboxOfCrates, AnItemTakesTheirPlacesUntilItIsHandled) {
  Wakeup wakeup;
  Mailbox<Crate> box(wakeup);
  Mailbox<Crate>::Receiver receiver(box);
  Mailbox<Crate>::Sender sender = box.open(10);
  ASSERT_TRUE(sender.try_send({7}));
  EXPECT_EQ(sender.credits(), 3U);
  EXPECT_FALSE(sender.try_send({4}));
  ASSERT_TRUE(sender.try_send({3}));
  EXPECT_EQ(sender.credits(), 0U);

  EXPECT_EQ(receiver.drain(1, [](Crate&&) { return false; }), 0U);
  EXPECT_EQ(sender.credits(), 0U) << "the refused one still holds its places";
  EXPECT_EQ(receiver.drain(1, [](Crate&&) { return true; }), 7U);
  EXPECT_EQ(sender.credits(), 7U);
  EXPECT_EQ(receiver.drain(100, [](Crate&&) { return true; }), 3U);
  EXPECT_EQ(sender.credits(), 10U);
  EXPECT_TRUE(sender.all_taken());
}

TEST_F(MailboxTest, DrainStopsAtItsMaximum) {
  Box::Sender one = box_.open(10);
  Box::Sender two = box_.open(10);
  for (int i = 0; i < 10; ++i) {
    send(one, 1, i);
    send(two, 2, i);
  }
  EXPECT_EQ(take(0).size(), 0U);
  EXPECT_EQ(take(7).size(), 7U);
  EXPECT_EQ(take(7).size(), 7U);
  EXPECT_EQ(take(7).size(), 6U);
}

TEST_F(MailboxTest, ABusySenderDoesNotStarveAnother) {
  Box::Sender busy = box_.open(100);
  Box::Sender quiet = box_.open(1);
  send(quiet, 2, 0);
  std::set<int> seen;
  for (int drain = 0; drain < 2; ++drain) {
    for (int i = 0; i < 10; ++i) send(busy, 1, i);
    for (const auto& [sender, number] : take(10)) seen.insert(sender);
  }
  EXPECT_TRUE(seen.contains(2));
}

// Offers everything, refuses what `refuses` names, and returns what was taken.
template <class Refuses>
Taken offer(Box::Receiver& receiver, Refuses refuses) {
  Taken taken;
  receiver.drain(SIZE_MAX, [&](Parcel&& item) {
    EXPECT_TRUE(item.load);
    if (refuses(item)) return false;
    taken.emplace_back(item.sender, item.number);
    return true;
  });
  return taken;
}

TEST_F(MailboxTest, ARefusedItemStopsItsSenderAloneAndComesAgainFirst) {
  Box::Sender one = box_.open(10);
  Box::Sender two = box_.open(10);
  for (int i = 0; i < 3; ++i) {
    send(one, 1, i);
    send(two, 2, i);
  }
  const auto refuses = [](const Parcel& item) { return item.sender == 1 && item.number >= 1; };
  const Taken first = offer(receiver_, refuses);
  EXPECT_EQ(first, (Taken{{1, 0}, {2, 0}, {2, 1}, {2, 2}}));
  EXPECT_TRUE(receiver_.has_refused());
  EXPECT_EQ(one.credits(), 8U) << "the refused item still holds its place";

  send(one, 1, 3);
  send(two, 2, 3);
  EXPECT_EQ(offer(receiver_, refuses), (Taken{{2, 3}}));
  EXPECT_EQ(one.credits(), 7U);

  EXPECT_EQ(take(), (Taken{{1, 1}, {1, 2}, {1, 3}}));
  EXPECT_FALSE(receiver_.has_refused());
  EXPECT_EQ(one.credits(), 10U);
}

TEST_F(MailboxTest, ARefusedItemCountsAgainstTheMaximumOfADrain) {
  Box::Sender sender = box_.open(10);
  for (int i = 0; i < 3; ++i) send(sender, 1, i);
  offer(receiver_, [](const Parcel&) { return true; });
  EXPECT_EQ(take(1), (Taken{{1, 0}}));
  EXPECT_EQ(take(1), (Taken{{1, 1}}));
  EXPECT_EQ(take(0), Taken{});
  EXPECT_EQ(take(9), (Taken{{1, 2}}));
}

TEST_F(MailboxTest, SeveralSendersMayBeRefusedAtOnce) {
  Box::Sender one = box_.open(10);
  Box::Sender two = box_.open(10);
  send(one, 1, 0);
  send(two, 2, 0);
  EXPECT_TRUE(offer(receiver_, [](const Parcel&) { return true; }).empty());
  EXPECT_EQ(offer(receiver_, [](const Parcel& item) { return item.sender == 1; }), (Taken{{2, 0}}));
  EXPECT_TRUE(receiver_.has_refused());
  EXPECT_EQ(take(), (Taken{{1, 0}}));
  EXPECT_FALSE(receiver_.has_refused());
}

TEST_F(MailboxTest, WhatAnEndedSenderSentStillArrives) {
  {
    Box::Sender sender = box_.open(5);
    for (int i = 0; i < 3; ++i) send(sender, 1, i);
  }
  EXPECT_EQ(take(), (Taken{{1, 0}, {1, 1}, {1, 2}}));
}

TEST_F(MailboxTest, ALaneIsGivenOutAgainAndItsOldItemsComeFirst) {
  {
    Box::Sender old = box_.open(5);
    send(old, 1, 0);
    send(old, 1, 1);
  }
  Box::Sender fresh = box_.open(3);
  EXPECT_EQ(fresh.credits(), 1U) << "what the old one left behind still takes two places";
  send(fresh, 2, 0);
  EXPECT_EQ(take(), (Taken{{1, 0}, {1, 1}, {2, 0}}));
  EXPECT_EQ(fresh.credits(), 3U);
}

TEST_F(MailboxTest, ALaneWithFewerCreditsThanItsOldItemsHasNone) {
  {
    Box::Sender old = box_.open(5);
    for (int i = 0; i < 5; ++i) send(old, 1, i);
  }
  Box::Sender fresh = box_.open(2);
  EXPECT_EQ(fresh.credits(), 0U);
  EXPECT_EQ(take(4).size(), 4U);
  EXPECT_EQ(fresh.credits(), 1U);
}

TEST_F(MailboxTest, ARefusedItemOfAnEndedSenderKeepsItsPlaceBeforeTheNextOnes) {
  {
    Box::Sender old = box_.open(5);
    send(old, 1, 0);
  }
  EXPECT_TRUE(offer(receiver_, [](const Parcel&) { return true; }).empty());
  Box::Sender fresh = box_.open(5);
  send(fresh, 2, 0);
  EXPECT_EQ(take(), (Taken{{1, 0}, {2, 0}}));
}

TEST_F(MailboxTest, AMovedFromSenderIsEmptyAndItsLaneStaysInUse) {
  Box::Sender sender = box_.open(5);
  send(sender, 1, 0);
  Box::Sender other = std::move(sender);
  EXPECT_FALSE(static_cast<bool>(sender));
  EXPECT_TRUE(static_cast<bool>(other));
  send(other, 1, 1);
  Box::Sender second = box_.open(5);
  EXPECT_EQ(second.credits(), 5U) << "not the lane of the first";
  other = std::move(second);  // ends the first lane
  EXPECT_EQ(box_.open(5).credits(), 3U);
  EXPECT_EQ(take(), (Taken{{1, 0}, {1, 1}}));
}

TEST_F(MailboxTest, TakesLanesMaxSendersAndStopsTheProcessBeyond) {
  std::vector<Box::Sender> senders;
  for (std::size_t i = 0; i < Box::kLanesMax; ++i) {
    senders.push_back(box_.open(1));
    send(senders.back(), static_cast<int>(i), 0);
  }
  EXPECT_EQ(take().size(), Box::kLanesMax);
  EXPECT_DEATH(std::ignore = box_.open(1), "more senders than lanes");
  senders.pop_back();
  EXPECT_EQ(box_.open(1).credits(), 1U);
}

TEST_F(MailboxTest, SendingWakesNobodyAndWakeOnlyAParkedOwner) {
  Box::Sender sender = box_.open(5);
  wakeup_.park();
  send(sender, 1, 0);
  EXPECT_TRUE(wakeup_.wake()) << "the flag is still up: try_send() has not woken";
  wakeup_.drain();
  wakeup_.park();
  sender.wake();
  EXPECT_FALSE(wakeup_.wake()) << "wake() took the flag down";
}

struct Witness {
  std::shared_ptr<int> held;
};

}  // namespace

template <>
inline constexpr bool crosses_threads<Witness> = true;

namespace {

TEST(Mailbox, ReleasesWhatNobodyTook) {
  const auto held = std::make_shared<int>(0);
  {
    Wakeup wakeup;
    Mailbox<Witness> box(wakeup);
    auto sender = box.open(5);
    auto receiver = Mailbox<Witness>::Receiver(box);
    ASSERT_TRUE(sender.try_send({held}));
    ASSERT_TRUE(sender.try_send({held}));
    receiver.drain(1, [](Witness&&) { return false; });
    EXPECT_EQ(held.use_count(), 3) << "one refused, one queued";
  }
  EXPECT_EQ(held.use_count(), 1);
}

}  // namespace
}  // namespace ringcast
