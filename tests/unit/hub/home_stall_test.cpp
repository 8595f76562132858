// A shard without places: refused, waited for, left out, brought back.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "unit/hub/hub_world.hpp"

namespace ringcast {
namespace {

using Events = std::vector<std::string>;

constexpr std::uint32_t kMailboxMax = 8;

// As events_of() tells those whose data is their offset.
Events numbered(int from, int to) {
  Events out;
  for (int i = from; i <= to; ++i) out.push_back(fmt::format("{0}:{0}", i));
  return out;
}

// Shard 0 is home, shard 1 stalls; each has a subscriber of the room.
class HomeStall : public ::testing::Test {
 protected:
  static Config config() {
    Config config = World::config();
    config.engine.mailbox_max = kMailboxMax;
    config.engine.stall_ms = 1'000;
    World::row(config, "*").history_size = 20;
    World::row(config, "tenant").history_size = 20;
    return config;
  }
  Client& join(std::uint32_t shard, const std::string& room) {
    Client& client = world_.connect(shard);
    EXPECT_TRUE(client.subscribe(room).ok());
    world_.settle();
    client.take();
    return client;
  }
  // Publishes one by one; returns how many were accepted.
  int publish(Client& client, const std::string& room, int from, int to) {
    int accepted = 0;
    for (int i = from; i <= to; ++i) {
      client.published.clear();
      EXPECT_TRUE(client.publish(room, std::to_string(i)).ok());
      world_.settle();
      accepted += client.published.size() == 1 && client.published[0].outcome.ok();
    }
    return accepted;
  }
  // Shard 1 leaves the audience of this room.
  void make_it_leave(Client& publisher, const std::string& room) {
    world_.stall(1);
    world_.fill_mailbox(0, 1);
    EXPECT_EQ(publish(publisher, room, 0, 0), 0);
    world_.advance(Millis(1'000));
  }

  World world_{config(), 2};
  std::string room_ = world_.room_at(0);
  Client& here_ = join(0, room_);
  Client& there_ = join(1, room_);
};

TEST_F(HomeStall, AMailboxTakesItsPlacesAndThenThePublisherIsUnavailable) {
  world_.stall(1);
  EXPECT_EQ(publish(here_, room_, 1, kMailboxMax), static_cast<int>(kMailboxMax));
  here_.take();
  EXPECT_EQ(publish(here_, room_, 100, 100), 0);
  EXPECT_EQ(here_.published[0].outcome.error().code, Errc::unavailable);
  EXPECT_TRUE(here_.take().empty()) << "nothing has happened, for nobody";
  world_.unstall(1);
  world_.settle();
  EXPECT_EQ(there_.take().size(), kMailboxMax);
  EXPECT_EQ(publish(here_, room_, 101, 101), 1);
  EXPECT_EQ(events_of(there_.take()), (Events{fmt::format("{}:101", kMailboxMax + 1)}));
}

TEST_F(HomeStall, ARefusedPublishDoesNotUseUpItsKey) {
  world_.stall(1);
  world_.fill_mailbox(0, 1);
  PublishAsk keyed;
  keyed.idempotency_key = "k";
  ASSERT_TRUE(here_.publish(room_, "1", keyed).ok());
  world_.settle();
  ASSERT_FALSE(here_.published.back().outcome.ok());
  world_.unstall(1);
  world_.settle();
  ASSERT_TRUE(here_.publish(room_, "1", keyed).ok());
  world_.settle();
  ASSERT_TRUE(here_.published.back().outcome.ok());
  EXPECT_EQ(events_of(there_.take()), (Events{"1:1"}));
}

TEST_F(HomeStall, RoomsWithoutSubscribersThereGoOn) {
  world_.stall(1);
  world_.fill_mailbox(0, 1);
  const std::string other = world_.room_at(0, "other");
  EXPECT_EQ(publish(here_, other, 1, 3), 3);
}

TEST_F(HomeStall, AHomeWithoutAPlaceIsUnavailableAtOnce) {
  const std::string far = world_.room_at(1);
  world_.stall(1);
  world_.fill_mailbox(0, 1);
  EXPECT_EQ(here_.publish(far, "1").error().code, Errc::unavailable);
  EXPECT_EQ(here_.subscribe(far).error().code, Errc::unavailable);
  EXPECT_EQ(here_.session.questions, 0U);
  EXPECT_EQ(here_.session.subscriptions.size(), 1U);
  EXPECT_TRUE(here_.unsubscribe(room_).ok()) << "ending something needs no place";
}

TEST_F(HomeStall, TheSourceWaitsWithItsRowAndNothingIsLost) {
  const std::string room = world_.room_at(0, "tenant");
  world_.store_state("e1", 100, 100, true);
  world_.settle();
  join(0, room);
  Client& there = join(1, room);
  world_.stall(1);
  for (Offset offset = 101; offset <= 140; ++offset) world_.store_event(room, offset);
  world_.store_position(140);
  world_.settle();
  EXPECT_EQ(world_.hub(1).audience().complete().offset, 100U);
  world_.unstall(1);
  world_.settle();
  EXPECT_EQ(there.take().size(), 40U);
  EXPECT_EQ(world_.hub(1).audience().complete().offset, 140U);
  EXPECT_EQ(world_.metrics(0).shard_stalls.value(), 0U);
}

TEST_F(HomeStall, AStalledShardLeavesAtStallMsAndNotBefore) {
  world_.stall(1);
  world_.fill_mailbox(0, 1);
  EXPECT_EQ(publish(here_, room_, 1, 1), 0);
  world_.advance(Millis(999));
  EXPECT_EQ(publish(here_, room_, 2, 2), 0);
  world_.advance(Millis(1));
  EXPECT_EQ(publish(here_, room_, 3, 3), 1);
  EXPECT_EQ(events_of(here_.take()), (Events{"1:3"}));
  EXPECT_EQ(world_.metrics(0).shard_stalls.value(), 1U);
}

TEST_F(HomeStall, TimeThatAShardStoodStillDoesNotAddUp) {
  world_.stall(1);
  world_.fill_mailbox(0, 1);
  EXPECT_EQ(publish(here_, room_, 1, 1), 0);
  world_.unstall(1);
  world_.settle();  // it has drained everything
  world_.advance(Millis(5'000));
  world_.stall(1);
  world_.fill_mailbox(0, 1);
  EXPECT_EQ(publish(here_, room_, 2, 2), 0) << "it stands still since now, not for 5 s";
}

TEST_F(HomeStall, AShardThatComesBackCatchesUpFromHistory) {
  make_it_leave(here_, room_);
  EXPECT_EQ(publish(here_, room_, 1, 5), 5);
  world_.unstall(1);
  world_.settle();
  EXPECT_EQ(events_of(there_.take()), (Events{"1:1", "2:2", "3:3", "4:4", "5:5"}));
  EXPECT_EQ(publish(here_, room_, 6, 6), 1);
  EXPECT_EQ(events_of(there_.take()), (Events{"6:6"}));
  EXPECT_EQ(events_of(here_.take()).size(), 6U);
}

TEST_F(HomeStall, AShardThatMissedMoreThanFitsCatchesUpInParts) {
  make_it_leave(here_, room_);
  EXPECT_EQ(publish(here_, room_, 1, 20), 20);  // all that history holds, and the mailbox takes 8
  world_.unstall(1);
  world_.settle();
  EXPECT_EQ(events_of(there_.take()), numbered(1, 20));
  EXPECT_EQ(publish(here_, room_, 21, 21), 1);
  EXPECT_EQ(events_of(there_.take()), numbered(21, 21));
  EXPECT_EQ(world_.metrics(0).shard_stalls.value(), 1U) << "it left once, not for each part";
}

TEST_F(HomeStall, AShardThatMissedMoreThanHistoryHoldsGetsAGapForThatAlone) {
  make_it_leave(here_, room_);
  EXPECT_EQ(publish(here_, room_, 1, 21), 21);
  world_.unstall(1);
  world_.settle();
  const auto seen = there_.take();
  ASSERT_FALSE(seen.empty());
  EXPECT_EQ(seen[0].type, "gap");
  EXPECT_EQ(seen[0].from, 0U);
  EXPECT_EQ(seen[0].to, 1U);
  EXPECT_EQ(seen[0].reason, "shard");
  EXPECT_EQ(events_of(seen), numbered(2, 21));
  EXPECT_EQ(publish(here_, room_, 22, 22), 1);
  EXPECT_EQ(events_of(there_.take()), numbered(22, 22));
}

TEST_F(HomeStall, WhatIsPublishedWhileAShardCatchesUpComesBehindTheRest) {
  make_it_leave(here_, room_);
  EXPECT_EQ(publish(here_, room_, 1, 12), 12);
  world_.unstall(1);
  world_.tick(1);  // its mailbox is empty
  world_.tick(0);  // and takes the first part
  world_.stall(1);
  EXPECT_EQ(publish(here_, room_, 13, 15), 3) << "nobody waits for it";
  EXPECT_TRUE(there_.take().empty());
  world_.unstall(1);
  world_.settle();
  EXPECT_EQ(events_of(there_.take()), numbered(1, 15));
}

TEST_F(HomeStall, RoomsThatCatchUpTakeTurns) {
  const std::string second = world_.room_at(0, "second");
  ASSERT_TRUE(there_.subscribe(second).ok());
  world_.settle();
  there_.take();
  make_it_leave(here_, room_);
  EXPECT_EQ(publish(here_, room_, 1, 20), 20);
  EXPECT_EQ(publish(here_, second, 1, 20), 20);
  world_.unstall(1);
  world_.settle();
  std::vector<std::string> rooms;
  for (const Seen& event : there_.take()) rooms.push_back(event.room);
  ASSERT_EQ(rooms.size(), 40U);
  const auto first_of_second = std::find(rooms.begin(), rooms.end(), second);
  EXPECT_NE(std::find(first_of_second, rooms.end(), room_), rooms.end())
      << "the second room waited until the first had everything";
}

TEST_F(HomeStall, ARoomWithoutHistoryGetsAGapToo) {
  const std::string room = world_.room_at(0, "plain");
  Client& there = join(1, room);
  make_it_leave(here_, room);
  EXPECT_EQ(publish(here_, room, 1, 1), 1);
  world_.unstall(1);
  world_.settle();
  EXPECT_EQ(there.take("gap", room).size(), 1U) << "never a silent loss";
}

TEST_F(HomeStall, ARoomThatMissedNothingGetsNothing) {
  const std::string quiet = world_.room_at(0, "quiet");
  Client& there = join(1, quiet);
  make_it_leave(here_, room_);
  EXPECT_EQ(publish(here_, room_, 1, 2), 2);
  world_.unstall(1);
  world_.settle();
  EXPECT_TRUE(there.take().empty());
}

TEST_F(HomeStall, AHomeThatSleepsIsAskedToLookAgain) {
  make_it_leave(here_, room_);
  EXPECT_EQ(publish(here_, room_, 1, 1), 1);
  EXPECT_TRUE(world_.hub(0).has_unsent()) << "else nobody notices that the shard is back";
  world_.unstall(1);
  world_.settle();
  EXPECT_FALSE(world_.hub(0).has_unsent());
}

TEST_F(HomeStall, WhoSubscribesWhileTheShardIsOutStartsAtADefinitePoint) {
  make_it_leave(here_, room_);
  EXPECT_EQ(publish(here_, room_, 1, 2), 2);
  const Position middle{here_.published[0].outcome.value().epoch, 2};
  world_.unstall(1);
  Client& late = world_.connect(1);
  ASSERT_TRUE(late.subscribe(room_, middle).ok());
  world_.settle();
  const auto seen = late.take();
  ASSERT_FALSE(seen.empty());
  EXPECT_EQ(seen[0].type, "subscribed");
  Offset position = seen[0].offset;
  EXPECT_EQ(publish(here_, room_, 3, 3), 1);
  for (const Seen& event : late.take()) {
    EXPECT_EQ(event.offset, position + 1);
    position = event.offset;
  }
  EXPECT_EQ(position, 3U);
}

TEST_F(HomeStall, PositionsWaitWhileAShardIsOut) {
  const std::string room = world_.room_at(0, "tenant");
  world_.store_state("e1", 100, 100, true);
  world_.settle();
  Client& there = join(1, room);
  make_it_leave(here_, room_);
  world_.store_event(room, 101);
  world_.store_position(101);
  world_.settle();
  world_.advance(Millis(1));
  EXPECT_EQ(world_.hub(1).audience().complete().offset, 100U);
  EXPECT_EQ(world_.hub(0).audience().complete().offset, 100U) << "shard 1 as a home is behind too";
  world_.unstall(1);
  world_.settle();
  EXPECT_EQ(events_of(there.take()), (Events{"101:101"}));
  EXPECT_EQ(world_.hub(1).audience().complete().offset, 101U);
}

// An application's port, behind the two shards. Nobody waits for it: it is out at once.
class PortStall : public HomeStall {
 protected:
  void subscribe_port(const std::string& room) {
    world_.send_from_port(0, SubscribeMail{room, {kPort, 0}, {}});
    std::ignore = world_.take_port_mail();
  }
  void watch(const std::string& pattern) {
    world_.send_from_port(0, WatchMail{pattern, {kPort, 0}, WatchMail::Action::begin});
    std::ignore = world_.take_port_mail();
  }
  // All that the port takes until nothing more comes: offsets, and gaps as "from-to".
  Events drain_port() {
    Events out;
    while (true) {
      const auto mail = world_.take_port_mail();
      if (mail.empty()) return out;
      for (const ShardMail& one : mail) {
        if (const auto* event = std::get_if<DeliverMail>(&one))
          out.push_back(fmt::format("{}", event->event->offset));
        if (const auto* gap = std::get_if<GapMail>(&one))
          out.push_back(fmt::format("{}-{}", gap->from, gap->to));
      }
      world_.settle();
    }
  }
  static Events offsets(int from, int to) {
    Events out;
    for (int i = from; i <= to; ++i) out.push_back(fmt::format("{}", i));
    return out;
  }

  static constexpr ConnectionId kPort{{2}, {}};
};

TEST_F(PortStall, APortGetsAllThatHistoryHoldsInParts) {
  subscribe_port(room_);
  EXPECT_EQ(publish(here_, room_, 1, 28), 28);  // 8 have a place, history holds the other 20
  EXPECT_EQ(drain_port(), offsets(1, 28));
  EXPECT_EQ(publish(here_, room_, 29, 29), 1);
  EXPECT_EQ(drain_port(), offsets(29, 29));
}

TEST_F(PortStall, NobodyLooksWhetherAPortThatStandsStillHasPlacesAgain) {
  subscribe_port(room_);
  EXPECT_EQ(publish(here_, room_, 1, 28), 28);
  EXPECT_FALSE(world_.hub(0).has_unsent());
  EXPECT_EQ(world_.take_port_mail().size(), kMailboxMax);
  EXPECT_FALSE(world_.hub(0).has_unsent());
  world_.tick(0);  // it was told, and that is one tick
  EXPECT_EQ(world_.take_port_mail().size(), kMailboxMax);
  world_.tick(0);
  EXPECT_EQ(drain_port(), offsets(17, 28));
}

TEST_F(PortStall, APortGetsAGapForWhatHistoryHasLostAndThenTheRest) {
  subscribe_port(room_);
  EXPECT_EQ(publish(here_, room_, 1, 30), 30);
  Events expected = offsets(1, 8);
  expected.push_back("8-10");
  for (std::string& offset : offsets(11, 30)) expected.push_back(std::move(offset));
  EXPECT_EQ(drain_port(), expected);
}

TEST_F(PortStall, WhatExpiresWhileAPortStandsStillIsAGapToo) {
  subscribe_port(room_);
  EXPECT_EQ(publish(here_, room_, 1, 10), 10);
  world_.advance(Millis(300'000));
  Events expected = offsets(1, 8);
  expected.push_back("8-10");
  EXPECT_EQ(drain_port(), expected);
}

TEST_F(PortStall, ARoomStaysUntilAPortThatWatchesItWasToldWhatItMissed) {
  watch("chat:*");
  const std::string room = world_.room_at(0, "chat");
  EXPECT_EQ(publish(here_, room, 1, 10), 10);
  for (int minutes = 0; minutes < 10; ++minutes) world_.advance(Millis(60'000));
  Events expected = offsets(1, 8);
  expected.push_back("8-10");
  EXPECT_EQ(drain_port(), expected);
  const std::size_t rooms = world_.hub(0).home().rooms();
  world_.advance(Millis(60'000));
  EXPECT_EQ(world_.hub(0).home().rooms(), rooms - 1) << "and no longer";
}

TEST_F(PortStall, APortThatLeavesARoomByNameStillGetsWhatItsPatternMissed) {
  watch("room:*");
  subscribe_port(room_);
  EXPECT_EQ(publish(here_, room_, 1, 10), 10);
  world_.send_from_port(0, LeaveMail{room_, {2}});
  EXPECT_EQ(drain_port(), offsets(1, 10));
}

}  // namespace
}  // namespace ringcast
