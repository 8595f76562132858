// Rooms that the outbox feeds: positions from outside, waiting, floors, epochs.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "unit/hub/hub_world.hpp"

namespace ringcast {
namespace {

using Events = std::vector<std::string>;
using std::chrono::seconds;

class HomeStore : public ::testing::Test {
 protected:
  void ready(Offset floor = 100) {
    world_.store_state("e1", floor, floor, false);
    world_.store_state("e1", floor, floor, true);
    world_.settle();
  }
  // One window: its events, then its position.
  void window(std::vector<std::pair<std::string, Offset>> events, Offset top) {
    for (const auto& [room, offset] : events) world_.store_event(room, offset);
    world_.store_position(top);
    world_.settle();
  }
  // Subscribes and returns all that comes.
  std::vector<Seen> subscribe(Client& client, std::string_view room,
                              std::optional<Position> recover = {}) {
    EXPECT_TRUE(client.subscribe(room, std::move(recover)).ok());
    world_.settle();
    return client.take();
  }

  World world_{World::config(), 2};
};

TEST_F(HomeStore, SubscribersGetTheRowsAtTheirOffsets) {
  ready();
  Client& zero = world_.connect(0);
  Client& one = world_.connect(1);
  EXPECT_EQ(subscribe(zero, "tenant:1")[0].offset, 100U);
  EXPECT_EQ(subscribe(one, "tenant:1")[0].epoch, "e1");
  window({{"tenant:1", 101}, {"tenant:2", 102}, {"tenant:1", 105}}, 110);
  for (Client* client : {&zero, &one})
    EXPECT_EQ(events_of(client->take()), (Events{"101:101", "105:105"}));
}

TEST_F(HomeStore, ARepeatIsKnownByItsOffset) {
  ready();
  Client& client = world_.connect(0);
  subscribe(client, "tenant:1");
  window({{"tenant:1", 101}}, 101);
  window({{"tenant:1", 101}, {"tenant:1", 102}}, 102);
  EXPECT_EQ(events_of(client.take()), (Events{"101:101", "102:102"}));
  EXPECT_EQ(world_.metrics(home_shard("tenant:1", 2).value).duplicates_dropped.value(), 1U);
}

TEST_F(HomeStore, OneRowMayGoToTwoRoomsAtOneOffset) {
  ready();
  Client& client = world_.connect(0);
  subscribe(client, "tenant:1");
  subscribe(client, "tenant:1:kitchen");
  window({{"tenant:1", 101}, {"tenant:1:kitchen", 101}}, 101);
  EXPECT_EQ(events_of(client.take()), (Events{"101:101", "101:101"}));
}

TEST_F(HomeStore, ASubscribeWaitsUntilTheReplayIsOver) {
  Client& client = world_.connect(0);
  EXPECT_TRUE(subscribe(client, "tenant:1").empty());
  world_.store_state("e1", 100, 100, false);
  world_.store_event("tenant:1", 101);
  world_.store_position(101);
  world_.settle();
  EXPECT_TRUE(client.take().empty());
  world_.store_state("e1", 100, 101, true);
  world_.settle();
  const auto seen = client.take();
  ASSERT_EQ(seen.size(), 1U);
  EXPECT_EQ(seen[0].offset, 101U);
}

TEST_F(HomeStore, AWaitingSubscribeThatRecoversGetsTheReplayedEvents) {
  Client& client = world_.connect(0);
  EXPECT_TRUE(subscribe(client, "tenant:1", Position{"e1", 101}).empty());
  world_.store_state("e1", 100, 100, false);
  for (const Offset offset : {101, 102, 103}) world_.store_event("tenant:1", offset);
  world_.store_position(103);
  world_.store_state("e1", 100, 103, true);
  world_.settle();
  const auto seen = client.take();
  ASSERT_FALSE(seen.empty());
  EXPECT_EQ(seen[0].recovered, true);
  EXPECT_EQ(events_of(seen), (Events{"102:102", "103:103"}));
}

TEST_F(HomeStore, SubscribeWaitMsEndsInUnavailableAndNotBefore) {
  Client& client = world_.connect(0);
  EXPECT_TRUE(subscribe(client, "tenant:1").empty());
  const std::uint32_t home = home_shard("tenant:1", 2).value;
  EXPECT_EQ(world_.hub(home).next_deadline(), world_.now() + Millis(5'000));
  world_.advance(Millis(4'999));
  EXPECT_TRUE(client.take().empty());
  world_.advance(Millis(1));
  const auto seen = client.take();
  ASSERT_EQ(seen.size(), 1U);
  EXPECT_EQ(seen[0].code, "UNAVAILABLE");
  EXPECT_EQ(client.session.questions, 0U);
  EXPECT_TRUE(client.session.subscriptions.empty());
  ready();
  EXPECT_EQ(subscribe(client, "tenant:1")[0].type, "subscribed");
}

TEST_F(HomeStore, OtherRoomsAreServedWhileTheStoreIsNotReady) {
  Client& client = world_.connect(0);
  EXPECT_EQ(subscribe(client, "room:1")[0].type, "subscribed");
}

TEST_F(HomeStore, AQuietRoomRecoversFromEveryPositionAtOrAboveItsFloor) {
  ready(100);
  window({{"tenant:2", 150}}, 200);
  struct Row {
    Offset from;
    bool recovered;
  };
  for (const Row& row : {Row{99, false}, Row{100, true}, Row{150, true}, Row{200, true}}) {
    Client& client = world_.connect(0);
    const auto seen = subscribe(client, "tenant:quiet", Position{"e1", row.from});
    ASSERT_EQ(seen.size(), 1U);
    EXPECT_EQ(seen[0].recovered, row.recovered) << row.from;
    EXPECT_EQ(seen[0].offset, row.recovered ? row.from : 200U);
  }
}

TEST_F(HomeStore, WhatARoomDroppedRaisesItsFloorAlsoAfterItEnded) {
  ready(100);
  window({{"tenant:1", 150}}, 150);
  world_.advance(seconds(300));  // the history runs out
  world_.advance(seconds(60));   // and the room ends
  EXPECT_EQ(world_.hub(home_shard("tenant:1", 2).value).home().rooms(), 0U);
  Client& late = world_.connect(0);
  EXPECT_EQ(subscribe(late, "tenant:1", Position{"e1", 149})[0].recovered, false);
  Client& current = world_.connect(0);
  EXPECT_EQ(subscribe(current, "tenant:1", Position{"e1", 150})[0].recovered, true);
}

TEST(HomeStoreNamespaces, ARoomThatEndsDoesNotRaiseTheFloorOfALongerHistory) {
  Config config = World::config();
  World::row(config, "tenant").history_ttl_s = 10;
  World::row(config, "tenant").room_idle_s = 0;
  World::row(config, "log").history_ttl_s = 3'600;
  World world(std::move(config));
  world.store_state("e1", 100, 100, true);
  world.store_event("tenant:1", 150);
  world.store_position(150);
  world.settle();
  world.advance(seconds(60));
  ASSERT_EQ(world.hub(0).home().rooms(), 0U);
  Client& client = world.connect(0);
  ASSERT_TRUE(client.subscribe("log:quiet", Position{"e1", 120}).ok());
  world.settle();
  EXPECT_EQ(client.take()[0].recovered, true) << "it missed nothing, and its history is long";
}

TEST_F(HomeStore, APositionAheadOfUsAsksTheSource) {
  ready(100);
  Client& client = world_.connect(0);
  EXPECT_TRUE(subscribe(client, "tenant:1", Position{"e1", 180}).empty());
  auto asked = world_.take_source_mail();
  ASSERT_EQ(asked.size(), 1U);
  const auto question = std::get<IsRecordedMail>(asked[0]);
  EXPECT_EQ(question.position, (Position{"e1", 180}));
  world_.send_from_source(question.home.value, RecordedMail{question.position, true});
  world_.settle();
  EXPECT_TRUE(client.take().empty()) << "recorded, but not here yet";
  window({{"tenant:1", 170}}, 179);
  EXPECT_TRUE(client.take().empty());
  window({{"tenant:1", 190}}, 190);
  const auto seen = client.take();
  ASSERT_FALSE(seen.empty());
  EXPECT_EQ(seen[0].recovered, true);
  EXPECT_EQ(seen[0].offset, 180U);
  EXPECT_EQ(events_of(seen), (Events{"190:190"}));
}

TEST_F(HomeStore, APositionThatNobodyRecordedIsNotRecovered) {
  ready(100);
  Client& client = world_.connect(0);
  EXPECT_TRUE(subscribe(client, "tenant:1", Position{"e1", 180}).empty());
  const auto question = std::get<IsRecordedMail>(world_.take_source_mail().at(0));
  world_.send_from_source(question.home.value, RecordedMail{question.position, false});
  world_.settle();
  const auto seen = client.take();
  ASSERT_EQ(seen.size(), 1U);
  EXPECT_EQ(seen[0].recovered, false);
  EXPECT_EQ(seen[0].offset, 100U);
}

TEST_F(HomeStore, APositionThatTheStoreCanNotBeAskedAboutIsUnavailable) {
  ready(100);
  Client& client = world_.connect(0);
  EXPECT_TRUE(subscribe(client, "tenant:1", Position{"e1", 180}).empty());
  const auto question = std::get<IsRecordedMail>(world_.take_source_mail().at(0));
  world_.send_from_source(question.home.value,
                          RecordedMail{question.position, Error{Errc::unavailable, "away"}});
  world_.settle();
  const auto seen = client.take();
  ASSERT_EQ(seen.size(), 1U);
  EXPECT_EQ(seen[0].code, "UNAVAILABLE");
}

TEST_F(HomeStore, ASourceThatNeverAnswersEndsInUnavailable) {
  ready(100);
  Client& client = world_.connect(0);
  EXPECT_TRUE(subscribe(client, "tenant:1", Position{"e1", 180}).empty());
  world_.advance(Millis(5'000));
  const auto seen = client.take();
  ASSERT_EQ(seen.size(), 1U);
  EXPECT_EQ(seen[0].code, "UNAVAILABLE");
}

TEST_F(HomeStore, APositionOfAnEpochThatEndsMeanwhileIsAnsweredByTheNewOne) {
  ready(100);
  Client& client = world_.connect(0);
  EXPECT_TRUE(subscribe(client, "tenant:1", Position{"e1", 180}).empty());
  const auto question = std::get<IsRecordedMail>(world_.take_source_mail().at(0));
  world_.send_from_source(question.home.value, RecordedMail{question.position, true});
  world_.settle();
  world_.store_state("e2", 10, 10, true);
  world_.settle();
  const auto seen = client.take();
  ASSERT_EQ(seen.size(), 1U);
  EXPECT_EQ(seen[0].recovered, false);
  EXPECT_EQ(seen[0].epoch, "e2");
}

TEST_F(HomeStore, ANewEpochIsToldToSubscribersBeforeItsFirstEvent) {
  ready(100);
  Client& client = world_.connect(0);
  subscribe(client, "tenant:1");
  world_.store_event("tenant:1", 101);
  world_.store_state("e2", 5, 5, false);
  world_.store_event("tenant:1", 6);
  world_.store_position(6);
  world_.store_state("e2", 5, 6, true);
  world_.settle();
  const auto seen = client.take();
  ASSERT_EQ(seen.size(), 3U);
  EXPECT_EQ(seen[0].offset, 101U);
  EXPECT_EQ(seen[1].type, "subscribed");
  EXPECT_EQ(seen[1].epoch, "e2");
  EXPECT_EQ(seen[1].recovered, false);
  EXPECT_EQ(seen[1].offset, 5U);
  EXPECT_EQ(seen[2].offset, 6U);
  Client& old = world_.connect(0);
  EXPECT_EQ(subscribe(old, "tenant:1", Position{"e1", 101})[0].recovered, false);
  Client& fresh = world_.connect(0);
  EXPECT_EQ(subscribe(fresh, "tenant:1", Position{"e2", 5}).size(), 2U);
}

TEST_F(HomeStore, RowsThatWereLostAreAGapToSubscribersAndNoHistory) {
  ready(100);
  Client& client = world_.connect(0);
  subscribe(client, "tenant:1");
  window({{"tenant:1", 110}}, 110);
  client.take();
  // A window whose rows were deleted before this daemon read them.
  world_.store_position(150);
  world_.store_state("e1", 150, 150, true);
  world_.settle();
  window({{"tenant:1", 160}}, 160);
  const auto seen = client.take();
  ASSERT_EQ(seen.size(), 2U);
  EXPECT_EQ(seen[0].type, "gap");
  EXPECT_EQ(seen[0].from, 110U);
  EXPECT_EQ(seen[0].to, 150U);
  EXPECT_EQ(seen[0].reason, "expired");
  EXPECT_EQ(seen[1].offset, 160U);
  Client& behind = world_.connect(0);
  EXPECT_EQ(subscribe(behind, "tenant:1", Position{"e1", 110})[0].recovered, false);
  Client& after = world_.connect(0);
  EXPECT_EQ(events_of(subscribe(after, "tenant:1", Position{"e1", 150})), (Events{"160:160"}));
}

TEST(HomeStoreLimits, RoomsMaxNeverFailsARowAndRefusesSubscribers) {
  Config config = World::config();
  World::row(config, "tenant").rooms_max = 1;
  World world(std::move(config));
  world.store_state("e1", 100, 100, true);
  Client& client = world.connect(0);
  ASSERT_TRUE(client.subscribe("tenant:1").ok());
  world.settle();
  client.take();
  world.store_event("tenant:2", 101);
  world.store_event("tenant:1", 102);
  world.store_position(102);
  world.settle();
  EXPECT_EQ(events_of(client.take()), (Events{"102:102"})) << "the row behind it goes on";
  ASSERT_TRUE(client.subscribe("tenant:2").ok());
  world.settle();
  EXPECT_EQ(client.take()[0].code, "UNAVAILABLE");
}

TEST(HomeStoreLimits, ARowWithoutAPlaceForItsRoomRaisesTheFloor) {
  Config config = World::config();
  World::row(config, "tenant").rooms_max = 1;
  World::row(config, "tenant").room_idle_s = 0;
  World world(std::move(config));
  world.store_state("e1", 100, 100, true);
  Client& client = world.connect(0);
  ASSERT_TRUE(client.subscribe("tenant:1").ok());
  world.settle();
  world.store_event("tenant:2", 101);
  world.store_position(102);
  world.settle();
  ASSERT_TRUE(client.unsubscribe("tenant:1").ok());
  world.advance(seconds(1));
  client.take();
  ASSERT_TRUE(client.subscribe("tenant:2", Position{"e1", 100}).ok());
  world.settle();
  EXPECT_EQ(client.take()[0].recovered, false) << "the row of before is gone";
}

// ---- positions ----------------------------------------------------------------------------------

TEST_F(HomeStore, AShardIsCompleteUpToTheLeastOfAllHomes) {
  EXPECT_EQ(world_.hub(0).audience().complete().offset, 0U);
  world_.send_from_source(0, StoreStateMail{"e1", 100, 100, true});
  world_.settle();
  EXPECT_EQ(world_.hub(0).audience().complete().offset, 0U) << "the other home has said nothing";
  world_.send_from_source(1, StoreStateMail{"e1", 100, 100, true});
  world_.send_from_source(1, StorePositionMail{120});
  world_.settle();
  EXPECT_EQ(world_.hub(0).audience().complete(), (Position{"e1", 100}));
  world_.send_from_source(0, StorePositionMail{110});
  world_.settle();
  for (std::uint32_t shard = 0; shard < 2; ++shard)
    EXPECT_EQ(world_.hub(shard).audience().complete(), (Position{"e1", 110}));
  world_.send_from_source(0, StoreStateMail{"e2", 5, 5, true});
  world_.settle();
  EXPECT_EQ(world_.hub(0).audience().complete(), (Position{"e1", 110}))
      << "homes of two epochs have no common position";
}

TEST_F(HomeStore, APositionNeverOvertakesItsEvents) {
  ready(100);
  const std::uint32_t home = home_shard("tenant:1", 2).value;
  Client& client = world_.connect(1 - home);
  subscribe(client, "tenant:1");
  Offset seen = 100;
  for (Offset offset = 101; offset < 130; ++offset) {
    world_.store_event("tenant:1", offset);
    world_.store_position(offset);
    for (const std::uint32_t shard : {home, 1 - home, 1 - home}) {
      world_.tick(shard);
      for (const Seen& message : client.take()) seen = message.offset;
      ASSERT_GE(seen, world_.hub(1 - home).audience().complete().offset);
    }
  }
  world_.settle();
  EXPECT_EQ(world_.hub(0).audience().complete().offset, 129U);
}

TEST_F(HomeStore, PublishingIntoAStoreRoomWritesARow) {
  ready();
  Client& ada = world_.connect(0, "ada");
  PublishAsk more;
  more.idempotency_key = "k";
  ASSERT_TRUE(ada.publish("tenant:1", "1", more).ok());
  auto mail = world_.take_source_mail();
  ASSERT_EQ(mail.size(), 1U);
  const auto& append = std::get<AppendMail>(mail[0]);
  EXPECT_EQ(append.row.room, "tenant:1");
  EXPECT_EQ(append.row.user, "ada");
  EXPECT_EQ(append.row.idempotency_key, "k");
  world_.send_from_source(0, PublishedMail{append.reply_to, "tenant:1", Appended{}});
  world_.settle();
  EXPECT_EQ(ada.published.size(), 1U);
  EXPECT_EQ(ada.session.questions, 0U);
}

TEST_F(HomeStore, ASourceWithoutAPlaceIsUnavailable) {
  ready();
  Client& client = world_.connect(0);
  Result<void> last;
  int taken = 0;
  for (; taken < 1'000 && last.ok(); ++taken) last = client.publish("tenant:1", "1");
  EXPECT_EQ(taken, 65);
  EXPECT_EQ(last.error().code, Errc::unavailable);
  EXPECT_EQ(client.session.questions, 64U);
}

}  // namespace
}  // namespace ringcast
