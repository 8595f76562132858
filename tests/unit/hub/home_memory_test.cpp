// Rooms with history in memory, and without history: from publish to what clients see.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "unit/hub/hub_world.hpp"

namespace ringcast {
namespace {

using Events = std::vector<std::string>;
using std::chrono::seconds;

// Subscribes and returns the answer.
Seen joined(World& world, Client& client, std::string_view room,
            std::optional<Position> recover = {}) {
  EXPECT_TRUE(client.subscribe(room, std::move(recover)).ok());
  world.settle();
  const auto seen = client.take();
  EXPECT_FALSE(seen.empty());
  if (seen.empty()) return {};
  EXPECT_EQ(seen[0].type, "subscribed");
  return seen[0];
}

void publish(World& world, Client& client, std::string_view room, int from, int to) {
  for (int i = from; i <= to; ++i) ASSERT_TRUE(client.publish(room, std::to_string(i)).ok());
  world.settle();
}

TEST(HomeMemory, SubscribersOfEveryShardGetWhatIsPublishedInOrder) {
  World world(World::config(), 3);
  for (std::uint32_t home = 0; home < 3; ++home) {
    const std::string room = world.room_at(home);
    std::vector<Client*> clients;
    for (std::uint32_t shard = 0; shard < 3; ++shard) {
      clients.push_back(&world.connect(shard));
      EXPECT_EQ(joined(world, *clients.back(), room).offset, 0U);
    }
    publish(world, *clients[1], room, 1, 5);
    for (Client* client : clients)
      EXPECT_EQ(events_of(client->take()), (Events{"1:1", "2:2", "3:3", "4:4", "5:5"}));
  }
}

TEST(HomeMemory, ThePublisherIsAnsweredWithIdAndPosition) {
  World world(World::config(), 2);
  Client& client = world.connect(0);
  const std::string room = world.room_at(1);
  publish(world, client, room, 1, 2);
  ASSERT_EQ(client.published.size(), 2U);
  ASSERT_TRUE(client.published[1].outcome.ok());
  EXPECT_EQ(client.published[1].outcome.value().offset, 2U);
  EXPECT_EQ(client.published[1].outcome.value().epoch, joined(world, client, room).epoch);
  EXPECT_EQ(client.session.questions, 0U);
}

TEST(HomeMemory, ARoomWithoutHistoryHasNoOffsets) {
  World world(World::config());
  Client& client = world.connect(0);
  const Seen answer = joined(world, client, "plain:1");
  EXPECT_EQ(answer.epoch, "");
  publish(world, client, "plain:1", 1, 2);
  EXPECT_EQ(events_of(client.take()), (Events{"0:1", "0:2"}));
  EXPECT_FALSE(client.published[0].outcome.value().offset.has_value());
  Client& back = world.connect(0);
  EXPECT_EQ(joined(world, back, "plain:1", Position{"x", 1}).recovered, false);
}

TEST(HomeMemory, RecoversAtEveryPosition) {
  World world(World::config(), 2);
  const std::string room = world.room_at(1);
  Client& publisher = world.connect(0);
  const Epoch epoch = joined(world, publisher, room).epoch;
  publish(world, publisher, room, 1, 6);
  for (std::uint32_t shard = 0; shard < 2; ++shard) {
    for (Offset from = 0; from <= 6; ++from) {
      Client& client = world.connect(shard);
      ASSERT_TRUE(client.subscribe(room, Position{epoch, from}).ok());
      world.settle();
      auto seen = client.take();
      ASSERT_FALSE(seen.empty());
      EXPECT_EQ(seen[0].recovered, true);
      EXPECT_EQ(seen[0].offset, from);
      Events expected;
      for (Offset i = from + 1; i <= 6; ++i) expected.push_back(fmt::format("{0}:{0}", i));
      EXPECT_EQ(events_of(seen), expected) << from;
    }
  }
}

TEST(HomeMemory, APositionThatIsNotOursIsNotRecovered) {
  World world(World::config());
  Client& publisher = world.connect(0);
  const Epoch epoch = joined(world, publisher, "room:1").epoch;
  publish(world, publisher, "room:1", 1, 3);
  for (const Position& position : {Position{epoch, 4}, Position{"other", 2}, Position{"", 0}}) {
    Client& client = world.connect(0);
    const Seen answer = joined(world, client, "room:1", position);
    EXPECT_EQ(answer.recovered, false);
    EXPECT_EQ(answer.offset, 3U);
    client.close();
  }
}

TEST(HomeMemory, RecoverMaxIsRecoveredAndOneMoreIsNot) {
  Config config = World::config();
  World::row(config, "*").recover_max = 3;
  World world(std::move(config));
  Client& publisher = world.connect(0);
  const Epoch epoch = joined(world, publisher, "room:1").epoch;
  publish(world, publisher, "room:1", 1, 5);
  Client& near = world.connect(0);
  EXPECT_EQ(joined(world, near, "room:1", Position{epoch, 2}).recovered, true);
  Client& far = world.connect(0);
  const Seen answer = joined(world, far, "room:1", Position{epoch, 1});
  EXPECT_EQ(answer.recovered, false);
  EXPECT_EQ(answer.offset, 5U);
}

TEST(HomeMemory, WhatHistoryDroppedIsNotRecovered) {
  Config config = World::config();
  World::row(config, "*").history_size = 3;
  World world(std::move(config));
  Client& publisher = world.connect(0);
  const Epoch epoch = joined(world, publisher, "room:1").epoch;
  publish(world, publisher, "room:1", 1, 5);
  Client& in_time = world.connect(0);
  EXPECT_EQ(joined(world, in_time, "room:1", Position{epoch, 2}).recovered, true);
  Client& late = world.connect(0);
  EXPECT_EQ(joined(world, late, "room:1", Position{epoch, 1}).recovered, false);
  world.advance(seconds(300));
  Client& later = world.connect(0);
  EXPECT_EQ(joined(world, later, "room:1", Position{epoch, 4}).recovered, false);
  Client& current = world.connect(0);
  EXPECT_EQ(joined(world, current, "room:1", Position{epoch, 5}).recovered, true);
}

TEST(HomeMemory, WhoJoinsInMidTickGetsNothingFromBefore) {
  World world(World::config());
  Client& first = world.connect(0);
  joined(world, first, "room:1");
  Client& second = world.connect(0);
  // All of this is one tick: publish, subscribe, publish.
  ASSERT_TRUE(first.publish("room:1", "1").ok());
  ASSERT_TRUE(second.subscribe("room:1").ok());
  ASSERT_TRUE(first.publish("room:1", "2").ok());
  world.settle();
  EXPECT_EQ(events_of(first.take()), (Events{"1:1", "2:2"}));
  const auto seen = second.take();
  ASSERT_FALSE(seen.empty());
  EXPECT_EQ(seen[0].offset, 1U);
  EXPECT_EQ(events_of(seen), (Events{"2:2"}));
}

TEST(HomeMemory, WhoRecoversInMidTickGetsMissedAndLiveOnce) {
  World world(World::config(), 2);
  const std::string room = world.room_at(1);
  Client& first = world.connect(0);
  const Epoch epoch = joined(world, first, room).epoch;
  publish(world, first, room, 1, 3);
  first.take();
  Client& second = world.connect(0);
  ASSERT_TRUE(first.publish(room, "4").ok());
  ASSERT_TRUE(second.subscribe(room, Position{epoch, 1}).ok());
  ASSERT_TRUE(first.publish(room, "5").ok());
  world.settle();
  EXPECT_EQ(events_of(second.take()), (Events{"2:2", "3:3", "4:4", "5:5"}));
  EXPECT_EQ(events_of(first.take()), (Events{"4:4", "5:5"}));
}

TEST(HomeMemory, AnExcludedUserGetsNoneOnAnyConnectionAndTheOthersAll) {
  World world(World::config(), 2);
  const std::string room = world.room_at(0);
  Client& ada = world.connect(0, "ada");
  Client& ada_too = world.connect(1, "ada");
  Client& bob = world.connect(0, "bob");
  Client& nobody = world.connect(0);
  for (Client* client : {&ada, &ada_too, &bob, &nobody}) joined(world, *client, room);
  // Every combination of three events in one tick that she may see or not.
  for (int bits = 0; bits < 8; ++bits) {
    Events hers;
    Events all;
    const Offset before = static_cast<Offset>(bits) * 3;
    for (int i = 0; i < 3; ++i) {
      PublishAsk more;
      if ((bits >> i & 1) != 0) more.exclude_user = "ada";
      ASSERT_TRUE(bob.publish(room, std::to_string(i), more).ok());
      all.push_back(fmt::format("{}:{}", before + static_cast<Offset>(i) + 1, i));
      if (more.exclude_user.empty()) hers.push_back(all.back());
    }
    world.settle();
    EXPECT_EQ(events_of(ada.take()), hers) << bits;
    EXPECT_EQ(events_of(ada_too.take()), hers) << bits;
    EXPECT_EQ(events_of(bob.take()), all) << bits;
    EXPECT_EQ(events_of(nobody.take()), all) << bits;
  }
}

TEST(HomeMemory, RecoveryKeepsExcludedEventsFromTheirUserAlone) {
  World world(World::config());
  Client& bob = world.connect(0, "bob");
  const Epoch epoch = joined(world, bob, "room:1").epoch;
  for (int i = 1; i <= 5; ++i) {
    PublishAsk more;
    if (i % 2 == 0) more.exclude_user = "ada";
    ASSERT_TRUE(bob.publish("room:1", std::to_string(i), more).ok());
  }
  world.settle();
  Client& ada = world.connect(0, "ada");
  ASSERT_TRUE(ada.subscribe("room:1", Position{epoch, 0}).ok());
  Client& carol = world.connect(0, "carol");
  ASSERT_TRUE(carol.subscribe("room:1", Position{epoch, 0}).ok());
  world.settle();
  EXPECT_EQ(events_of(ada.take()), (Events{"1:1", "3:3", "5:5"}));
  EXPECT_EQ(events_of(carol.take()), (Events{"1:1", "2:2", "3:3", "4:4", "5:5"}));
}

TEST(HomeMemory, SubscribingTwiceIsAConflictAndUnsubscribingTwiceNotFound) {
  World world(World::config());
  Client& client = world.connect(0);
  ASSERT_TRUE(client.subscribe("room:1").ok());
  EXPECT_EQ(client.subscribe("room:1").error().code, Errc::conflict) << "while it is asked";
  world.settle();
  EXPECT_EQ(client.subscribe("room:1").error().code, Errc::conflict);
  EXPECT_TRUE(client.unsubscribe("room:1").ok());
  EXPECT_EQ(client.unsubscribe("room:1").error().code, Errc::not_found);
  EXPECT_EQ(client.unsubscribe("never:heard").error().code, Errc::not_found);
  world.settle();
  EXPECT_EQ(client.session.questions, 0U);
}

// Every way in which the steps of leaving and coming back can fall between ticks.
TEST(HomeMemory, LeavingAndComingBackLosesNothingAfterTheAnswer) {
  for (int bits = 0; bits < 64; ++bits) {
    World world(World::config(), 2);
    const std::string room = world.room_at(1);
    const auto maybe_tick = [&](int step) {
      if ((bits >> step & 1) == 0) return;
      world.tick(0);
      world.tick(1);
    };
    Client& client = world.connect(0);
    Client& publisher = world.connect(1);
    joined(world, client, room);
    std::ignore = publisher.publish(room, "1");
    maybe_tick(0);
    ASSERT_TRUE(client.unsubscribe(room).ok());
    maybe_tick(1);
    std::ignore = publisher.publish(room, "2");
    maybe_tick(2);
    ASSERT_TRUE(client.subscribe(room).ok());
    maybe_tick(3);
    std::ignore = publisher.publish(room, "3");
    maybe_tick(4);
    ASSERT_TRUE(client.unsubscribe(room).ok());
    ASSERT_TRUE(client.subscribe(room).ok());
    maybe_tick(5);
    world.settle();
    client.take();
    publish(world, publisher, room, 4, 5);
    EXPECT_EQ(events_of(client.take()), (Events{"4:4", "5:5"})) << bits;
    EXPECT_EQ(client.session.questions, 0U);
    EXPECT_EQ(client.session.subscriptions.size(), 1U);
  }
}

TEST(HomeMemory, AConnectionThatEndsWithAnswersOnTheirWayIsNoTrouble) {
  World world(World::config(), 2);
  const std::string room = world.room_at(1);
  Client& client = world.connect(0, "ada");
  ASSERT_TRUE(client.subscribe(room).ok());
  ASSERT_TRUE(client.publish(room, "1").ok());
  ASSERT_TRUE(client.view(room, PresenceMail::Action::join).ok());
  client.close();
  world.settle();
  EXPECT_EQ(client.answers, 0U);
  Client& next = world.connect(0, "bob");
  joined(world, next, room);
  publish(world, next, room, 2, 2);
  EXPECT_EQ(events_of(next.take()), (Events{"2:2"}));
}

TEST(HomeMemory, TheSameKeyGivesTheFirstAnswerAndOtherBytesAConflict) {
  World world(World::config());
  Client& ada = world.connect(0, "ada");
  Client& bob = world.connect(0, "bob");
  joined(world, bob, "room:1");
  PublishAsk keyed;
  keyed.idempotency_key = "k";
  ASSERT_TRUE(ada.publish("room:1", "1", keyed).ok());
  ASSERT_TRUE(ada.publish("room:1", "1", keyed).ok());
  ASSERT_TRUE(ada.publish("room:1", "2", keyed).ok());
  ASSERT_TRUE(bob.publish("room:1", "3", keyed).ok()) << "another publisher's key is another key";
  world.settle();
  ASSERT_EQ(ada.published.size(), 3U);
  EXPECT_EQ(ada.published[0].outcome.value().id, ada.published[1].outcome.value().id);
  EXPECT_EQ(ada.published[1].outcome.value().offset, 1U);
  EXPECT_EQ(ada.published[2].outcome.error().code, Errc::conflict);
  EXPECT_EQ(events_of(bob.take()), (Events{"1:1", "2:3"}));
  world.advance(seconds(300));
  ASSERT_TRUE(ada.publish("room:1", "2", keyed).ok());
  world.settle();
  EXPECT_TRUE(ada.published.back().outcome.ok()) << "the window is over";
}

TEST(HomeMemory, AGivenIdDeduplicatesToo) {
  World world(World::config());
  Client& ada = world.connect(0);
  PublishAsk given;
  given.id = Uuid::random();
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(ada.publish("room:1", "1", given).ok());
  world.settle();
  EXPECT_EQ(ada.published[1].outcome.value().offset, 1U);
  EXPECT_EQ(joined(world, ada, "room:1").offset, 1U);
}

TEST(HomeMemory, RoomsMaxHoldsForPublishAndSubscribeOnBothSides) {
  Config config = World::config();
  World::row(config, "*").rooms_max = 2;
  World world(std::move(config));
  Client& client = world.connect(0);
  publish(world, client, "room:1", 1, 1);
  joined(world, client, "room:2");
  ASSERT_TRUE(client.subscribe("room:3").ok());
  publish(world, client, "room:3", 1, 1);
  const auto seen = client.take();
  ASSERT_EQ(seen.size(), 1U);
  EXPECT_EQ(seen[0].code, "UNAVAILABLE");
  EXPECT_EQ(client.published.back().outcome.error().code, Errc::unavailable);
  publish(world, client, "room:1", 2, 2);
  EXPECT_TRUE(client.published.back().outcome.ok()) << "rooms that are there go on";
  Client& other = world.connect(0);
  joined(world, other, "plain:1");  // another namespace has its own limit
}

TEST(HomeMemory, ARoomThatIsFullForASubscriberIsTriedAgainByTheSameOne) {
  Config config = World::config();
  World::row(config, "*").rooms_max = 1;
  World::row(config, "*").room_idle_s = 0;
  World world(std::move(config));
  Client& client = world.connect(0);
  joined(world, client, "room:1");
  ASSERT_TRUE(client.subscribe("room:2").ok());
  world.settle();
  EXPECT_EQ(client.take()[0].code, "UNAVAILABLE");
  ASSERT_TRUE(client.unsubscribe("room:1").ok());
  world.advance(seconds(1));
  EXPECT_EQ(joined(world, client, "room:2").room, "room:2");
}

TEST(HomeMemory, RoomsPerConnectionMaxHoldsOnBothSides) {
  Config config = World::config();
  config.limits.rooms_per_connection_max = 2;
  World world(std::move(config));
  Client& client = world.connect(0);
  EXPECT_TRUE(client.subscribe("room:1").ok());
  EXPECT_TRUE(client.subscribe("room:2").ok());
  EXPECT_EQ(client.subscribe("room:3").error().code, Errc::rate_limited);
  EXPECT_TRUE(client.unsubscribe("room:1").ok());
  EXPECT_TRUE(client.subscribe("room:3").ok());
}

TEST(HomeMemory, QuestionsMaxHoldsOnBothSides) {
  World world(World::config());
  Client& client = world.connect(0);
  for (std::uint32_t i = 0; i < Hub::kQuestionsMax; ++i)
    ASSERT_TRUE(client.publish("room:1", "1").ok());
  EXPECT_EQ(client.publish("room:1", "1").error().code, Errc::rate_limited);
  world.settle();
  EXPECT_EQ(client.published.size(), Hub::kQuestionsMax);
  EXPECT_TRUE(client.publish("room:1", "1").ok());
}

TEST(HomeMemory, AnIdleRoomEndsAndComesBackWithANewEpoch) {
  World world(World::config());
  Client& client = world.connect(0);
  const Epoch epoch = joined(world, client, "room:1").epoch;
  publish(world, client, "room:1", 1, 1);
  client.take();
  ASSERT_TRUE(client.unsubscribe("room:1").ok());
  world.settle();
  world.advance(seconds(300));  // the history runs out
  EXPECT_EQ(world.hub(0).home().rooms(), 1U) << "now it is idle, and has room_idle_s left";
  world.advance(seconds(59));
  EXPECT_EQ(world.hub(0).home().rooms(), 1U);
  world.advance(seconds(1));
  EXPECT_EQ(world.hub(0).home().rooms(), 0U);
  const Seen answer = joined(world, client, "room:1", Position{epoch, 1});
  EXPECT_EQ(answer.recovered, false);
  EXPECT_NE(answer.epoch, epoch);
}

TEST(HomeMemory, WhoComesBackBeforeRoomIdleSHasMissedNothing) {
  World world(World::config());
  Client& client = world.connect(0);
  const Epoch epoch = joined(world, client, "room:1").epoch;
  publish(world, client, "room:1", 1, 1);
  client.take();
  world.advance(seconds(299));
  ASSERT_TRUE(client.unsubscribe("room:1").ok());
  world.settle();
  world.advance(seconds(2));  // the history ran out while nobody was here
  const Seen answer = joined(world, client, "room:1", Position{epoch, 1});
  EXPECT_EQ(answer.recovered, true);
  EXPECT_EQ(answer.epoch, epoch);
}

TEST(HomeMemory, ARoomInUseNeverEnds) {
  World world(World::config());
  Client& client = world.connect(0);
  const Epoch epoch = joined(world, client, "room:1").epoch;
  for (int i = 0; i < 20; ++i) world.advance(seconds(60));
  ASSERT_TRUE(client.unsubscribe("room:1").ok());
  world.settle();
  world.advance(seconds(59));
  EXPECT_EQ(joined(world, client, "room:1").epoch, epoch);
}

TEST(HomeMemory, RoomsOfEveryKindEndWhenNothingIsLeft) {
  World world(World::config());
  Client& client = world.connect(0, "ada");
  publish(world, client, "room:1", 1, 1);
  publish(world, client, "plain:1", 1, 1);
  ASSERT_TRUE(client.view("room:2", PresenceMail::Action::join).ok());
  joined(world, client, "room:3");
  EXPECT_EQ(world.hub(0).home().rooms(), 4U);
  client.close();
  world.settle();
  for (int i = 0; i < 10; ++i) world.advance(seconds(60));
  EXPECT_EQ(world.hub(0).home().rooms(), 0U);
  EXPECT_EQ(world.hub(0).next_deadline(), Instant::max()) << "idle means idle";
}

TEST(HomeMemory, NextDeadlineIsNeverInThePastAtRest) {
  World world(World::config());
  Client& client = world.connect(0, "ada");
  publish(world, client, "room:1", 1, 1);
  joined(world, client, "room:1");
  ASSERT_TRUE(client.view("room:1", PresenceMail::Action::join).ok());
  for (int i = 0; i < 10; ++i) {
    world.advance(seconds(47));
    EXPECT_GT(world.hub(0).next_deadline(), world.now());
  }
}

}  // namespace
}  // namespace ringcast
