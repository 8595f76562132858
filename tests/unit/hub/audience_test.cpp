// The delivering side: batches, slow subscribers, grants that end.
#include "hub/audience.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "unit/hub/hub_world.hpp"

namespace ringcast {
namespace {

using Events = std::vector<std::string>;

class AudienceTest : public ::testing::Test {
 protected:
  static Config config() {
    Config config = World::config();
    World::row(config, "*").send_queue_bytes_max = 1'024;
    config.limits.reply_bytes_max = 1'024;
    return config;
  }
  Client& join(const std::string& room, std::string user = {}) {
    Client& client = world_.connect(0, std::move(user));
    EXPECT_TRUE(client.subscribe(room).ok());
    world_.settle();
    client.take();
    return client;
  }
  void publish(Client& client, int from, int to) {
    for (int i = from; i <= to; ++i) ASSERT_TRUE(client.publish("room:1", std::to_string(i)).ok());
    world_.settle();
  }

  World world_{config()};
};

TEST_F(AudienceTest, AFrameIsEncodedOnceForAllAndABatchOnceATick) {
  for (int i = 0; i < 10; ++i) join("room:1");
  Client& publisher = world_.connect(0);
  const auto frames = world_.metrics(0).frames_encoded.value();
  const auto batches = world_.metrics(0).batches.value();
  publish(publisher, 1, 5);
  EXPECT_EQ(world_.metrics(0).frames_encoded.value(), frames + 5);
  EXPECT_EQ(world_.metrics(0).batches.value(), batches + 1);
  EXPECT_EQ(world_.metrics(0).deliveries.value(), 50U);
}

class HeldRoomTest : public AudienceTest {
 protected:
  HeldRoomTest() : held_(held()) {}
  static Config held() {
    Config config = World::config();
    World::row(config, "*").flush_interval_ms = 50;
    World::row(config, "*").send_queue_bytes_max = 4'096;
    World::row(config, "tenant").flush_interval_ms = 50;
    return config;
  }
  Client& join() {
    Client& client = held_.connect(0);
    EXPECT_TRUE(client.subscribe("room:1").ok());
    held_.settle();
    client.take();
    return client;
  }
  void publish(Client& client, const std::string& data) {
    ASSERT_TRUE(client.publish("room:1", data).ok());
    held_.settle();
  }
  World held_;
};

TEST_F(HeldRoomTest, ARoomAtRestSendsAtOnceAndThenOnceAnInterval) {
  Client& reader = join();
  Client& publisher = held_.connect(0);
  publish(publisher, "1");
  EXPECT_EQ(events_of(reader.take()), (Events{"1:1"})) << "the first does not wait";
  const auto batches = held_.metrics(0).batches.value();
  for (int i = 2; i <= 4; ++i) publish(publisher, std::to_string(i));
  EXPECT_TRUE(reader.take().empty());
  EXPECT_EQ(held_.hub(0).next_deadline(), held_.now() + Millis(50));
  held_.advance(Millis(49));
  EXPECT_TRUE(reader.take().empty());
  held_.advance(Millis(1));
  EXPECT_EQ(events_of(reader.take()), (Events{"2:2", "3:3", "4:4"}));
  EXPECT_EQ(held_.metrics(0).batches.value(), batches + 1);
  held_.advance(Millis(50));
  publish(publisher, "5");
  EXPECT_EQ(events_of(reader.take()), (Events{"5:5"})) << "at rest again";
}

TEST_F(HeldRoomTest, WhoJoinsWhileEventsAreHeldGetsThoseAfterItsPosition) {
  Client& reader = join();
  Client& publisher = held_.connect(0);
  publish(publisher, "1");
  publish(publisher, "2");
  Client& late = join();
  publish(publisher, "3");
  held_.advance(Millis(50));
  EXPECT_EQ(events_of(late.take()), (Events{"3:3"}));
  EXPECT_EQ(events_of(reader.take()), (Events{"1:1", "2:2", "3:3"}));
}

TEST_F(HeldRoomTest, WhatWouldFillHalfOfAQueueIsNotHeld) {
  Client& reader = join();
  Client& publisher = held_.connect(0);
  publish(publisher, "1");
  reader.take();
  const std::string half = '"' + std::string(1'023, 'x') + '"';
  publish(publisher, half);
  EXPECT_TRUE(reader.take().empty());
  publish(publisher, half);
  EXPECT_EQ(reader.take().size(), 2U);
}

TEST_F(AudienceTest, NothingIsEncodedForARoomWithoutSubscribers) {
  Client& publisher = world_.connect(0);
  publish(publisher, 1, 5);
  EXPECT_EQ(world_.metrics(0).frames_encoded.value(), 0U);
}

TEST_F(AudienceTest, AReconnectStormEncodesTheMissedEventsOnce) {
  Client& publisher = join("room:1");
  publish(publisher, 1, 5);
  const Epoch epoch = publisher.published[0].outcome.value().epoch;
  const auto frames = world_.metrics(0).frames_encoded.value();
  std::vector<Client*> storm;
  for (int i = 0; i < 20; ++i) {
    storm.push_back(&world_.connect(0));
    ASSERT_TRUE(storm.back()->subscribe("room:1", Position{epoch, 0}).ok());
  }
  world_.settle();
  for (Client* client : storm) EXPECT_EQ(client->take().size(), 6U);
  EXPECT_EQ(world_.metrics(0).frames_encoded.value(), frames + 5);
}

TEST_F(AudienceTest, ASocketThatTakesAnyNumberOfOctetsLosesNone) {
  for (std::size_t window = 0; window < 700; window += 7) {
    World world(config());
    Client& client = world.connect(0);
    ASSERT_TRUE(client.subscribe("room:1").ok());
    world.settle();
    client.take();
    client.window = window;
    Client& publisher = world.connect(0);
    Events expected;
    for (int i = 1; i <= 3; ++i) {
      ASSERT_TRUE(publisher.publish("room:1", std::to_string(i)).ok());
      if (i == 2) world.settle();
      expected.push_back(fmt::format("{0}:{0}", i));
    }
    world.settle();
    client.unblock();
    world.settle();
    EXPECT_EQ(events_of(client.take()), expected) << window;
    EXPECT_TRUE(client.session.queue.empty());
  }
}

TEST_F(AudienceTest, ASlowSubscriberIsEndedAtItsLimitAndTheOthersNoticeNothing) {
  Client& slow = join("room:1");
  Client& quick = join("room:1");
  slow.window = 0;
  int sent = 0;
  while (!slow.ended && sent < 100) {
    ++sent;
    publish(quick, sent, sent);
  }
  EXPECT_EQ(slow.ended, CloseReason::slow_consumer);
  EXPECT_GT(sent, 5);
  EXPECT_LT(sent, 20) << "1,024 octets hold a few of these frames";
  publish(quick, sent + 1, sent + 2);
  EXPECT_EQ(events_of(quick.take()).size(), static_cast<std::size_t>(sent) + 2);
  EXPECT_EQ(world_.metrics(0).slow_consumers.value(), 1U);
}

class SlowPolicyTest : public ::testing::Test {
 protected:
  static Config config() {
    Config config = World::config();
    World::row(config, "*").send_queue_bytes_max = 1'024;
    for (const auto& [name, policy] :
         {std::pair{"drop", SlowPolicy::drop_oldest}, std::pair{"last", SlowPolicy::latest}}) {
      NamespaceConfig row = World::row(config, "*");
      row.name = name;
      row.slow_policy = policy;
      config.namespaces.insert(config.namespaces.begin(), row);
    }
    World::row(config, "plain").slow_policy = SlowPolicy::drop_oldest;
    World::row(config, "plain").send_queue_bytes_max = 1'024;
    return config;
  }
  Client& join(std::initializer_list<const char*> rooms, Encoding encoding = Encoding::native) {
    Client& client = world_.connect(0, {}, encoding);
    for (const char* room : rooms) EXPECT_TRUE(client.subscribe(room).ok());
    world_.settle();
    client.wire.clear();
    return client;
  }
  void publish(const char* room, int from, int to, int keys = 0) {
    for (int i = from; i <= to; ++i) {
      PublishAsk more;
      const std::string key = keys == 0 ? "" : std::to_string(i % keys);
      more.key = key;
      ASSERT_TRUE(publisher_.publish(room, std::to_string(i), std::move(more)).ok());
      world_.settle();
    }
  }
  ShardMetrics& metrics() { return world_.metrics(0); }

  World world_{config()};
  Client& publisher_ = world_.connect(0);
};

TEST_F(SlowPolicyTest, DropOldestKeepsTheNewestAndAnnouncesTheRest) {
  Client& slow = join({"drop:1"});
  Client& quick = join({"drop:1"});
  slow.window = 40;  // a part of the first
  publish("drop:1", 1, 60);
  EXPECT_EQ(events_of(quick.take()).size(), 60U);
  EXPECT_FALSE(slow.ended.has_value());
  slow.unblock();
  world_.settle();
  auto seen = slow.take();
  ASSERT_GT(seen.size(), 3U);
  EXPECT_EQ(seen[0].offset, 1U);
  EXPECT_EQ(seen[1].type, "gap");
  EXPECT_EQ(seen[1].reason, "overflow");
  EXPECT_EQ(seen[1].from, 1U);
  Offset next = seen[1].to;
  for (std::size_t i = 2; i < seen.size(); ++i) EXPECT_EQ(seen[i].offset, ++next);
  EXPECT_EQ(next, 60U);
  EXPECT_EQ(metrics().slow_dropped_oldest.value(), seen[1].to - 1);
  EXPECT_EQ(metrics().gaps_overflow.value(), 1U);
  EXPECT_EQ(metrics().slow_consumers.value(), 0U);
}

TEST_F(SlowPolicyTest, WhoComesBackWithThePositionOfAGapGetsWhatHistoryHas) {
  Client& slow = join({"drop:1"});
  slow.window = 0;
  publish("drop:1", 1, 60);
  slow.unblock();
  world_.settle();
  const Offset from = slow.take()[0].from;
  ASSERT_TRUE(slow.unsubscribe("drop:1").ok());
  const Epoch epoch = publisher_.published[0].outcome.value().epoch;
  ASSERT_TRUE(slow.subscribe("drop:1", Position{epoch, from}).ok());
  world_.settle();
  const auto seen = slow.take();
  EXPECT_EQ(seen[0].recovered, true);
  EXPECT_EQ(events_of(seen).size(), 60U);
}

TEST_F(SlowPolicyTest, LatestKeepsTheNewestOfEachKey) {
  Client& slow = join({"last:1"});
  slow.window = 0;
  publish("last:1", 1, 300, 3);
  slow.unblock();
  world_.settle();
  const auto seen = slow.take();
  ASSERT_EQ(seen.size(), 4U);
  EXPECT_EQ(seen[0].type, "gap");
  EXPECT_EQ(seen[0].reason, "conflated");
  EXPECT_EQ(seen[0].from, 0U);
  EXPECT_EQ(seen[0].to, 297U);
  EXPECT_EQ(events_of(seen), (Events{"298:298", "299:299", "300:300"}));
  EXPECT_EQ(metrics().slow_conflated.value(), 297U);
  EXPECT_EQ(metrics().slow_dropped_latest.value(), 0U);
}

TEST_F(SlowPolicyTest, LatestDropsTheOldestWithoutAKey) {
  Client& slow = join({"last:1"});
  slow.window = 0;
  publish("last:1", 1, 60);
  slow.unblock();
  world_.settle();
  const auto seen = slow.take();
  EXPECT_EQ(seen[0].reason, "overflow");
  EXPECT_EQ(seen.back().offset, 60U);
  EXPECT_EQ(metrics().slow_dropped_latest.value(), seen[0].to);
}

TEST_F(SlowPolicyTest, ARoomWithoutOffsetsSaysOnlyThatSomethingIsMissing) {
  Client& slow = join({"plain:1"});
  slow.window = 0;
  publish("plain:1", 1, 60);
  slow.unblock();
  world_.settle();
  EXPECT_NE(slow.wire.find(R"({"type":"gap","room":"plain:1","reason":"overflow"})"),
            std::string::npos);
  EXPECT_EQ(slow.take().back().data, "60");
}

TEST_F(SlowPolicyTest, AStreamGetsItsGapAsAnEventWithoutAnId) {
  Client& slow = join({"drop:1"}, Encoding::sse);
  slow.window = 0;
  publish("drop:1", 1, 60);
  slow.unblock();
  world_.settle();
  EXPECT_TRUE(
      slow.wire.starts_with("event: gap\ndata: {\"type\":\"gap\",\"room\":\"drop:1\",\"from\":0,"))
      << slow.wire.substr(0, 200);
  EXPECT_NE(slow.wire.find(".60\n"), std::string::npos);
}

TEST_F(SlowPolicyTest, ARoomThatMayLoseNothingEndsAConnectionOnlyWhenNothingElseCanGo) {
  Client& slow = join({"drop:1", "room:1"});
  slow.window = 0;
  publish("drop:1", 1, 60);
  publish("room:1", 1, 3);
  EXPECT_FALSE(slow.ended.has_value()) << "events of drop:1 made room";
  EXPECT_EQ(metrics().slow_consumers.value(), 0U);
  publish("room:1", 4, 30);
  EXPECT_EQ(slow.ended, CloseReason::slow_consumer);
}

TEST_F(SlowPolicyTest, AnswersMakeRoomForThemselvesToo) {
  Client& slow = join({"drop:1"});
  slow.window = 0;
  publish("drop:1", 1, 60);
  for (int i = 0; i < 3; ++i) {
    world_.hub(0).audience().reply(slow.session, "\x81\x13{\"type\":\"pong\"}    ");
    world_.settle();
  }
  EXPECT_FALSE(slow.ended.has_value());
}

TEST_F(SlowPolicyTest, WhoCameBackMeanwhileIsToldOfItsLossesBehindTheAnswer) {
  Client& slow = join({"drop:1"});
  slow.window = 0;
  publish("drop:1", 1, 60);
  ASSERT_TRUE(slow.unsubscribe("drop:1").ok());
  ASSERT_TRUE(slow.subscribe("drop:1").ok());
  world_.settle();
  publish("drop:1", 61, 120);
  slow.unblock();
  world_.settle();
  const auto seen = slow.take();
  const auto answer =
      std::find_if(seen.begin(), seen.end(), [](const Seen& s) { return s.type == "subscribed"; });
  ASSERT_NE(answer, seen.end());
  EXPECT_EQ(answer->offset, 60U);
  ASSERT_NE(answer + 1, seen.end());
  EXPECT_EQ(answer[1].type, "gap");
  EXPECT_EQ(answer[1].from, 60U);
  EXPECT_EQ(seen.back().offset, 120U);
}

TEST_F(AudienceTest, AnswersOfABlockedConnectionHaveTheirOwnLimit) {
  Client& slow = join("room:1");
  slow.window = 0;
  int asked = 0;
  for (; asked < 100 && !slow.ended; ++asked) {
    ASSERT_TRUE(slow.subscribe(fmt::format("room:{}", asked + 10)).ok());
    world_.settle();
  }
  EXPECT_EQ(slow.ended, CloseReason::slow_consumer);
  EXPECT_GT(asked, 5);
}

TEST_F(AudienceTest, AnswersOfOneTickAreBoundedBeforeTheSocketIsKnownToBeFull) {
  Client& client = world_.connect(0);
  auto& audience = world_.hub(0).audience();
  audience.reply(client.session, std::string(5'000, 'x'));  // one answer may have any size
  EXPECT_FALSE(client.session.closing.has_value());
  world_.settle();
  audience.reply(client.session, std::string(1'000, 'x'));
  audience.reply(client.session, std::string(24, 'x'));
  EXPECT_FALSE(client.session.closing.has_value());
  audience.reply(client.session, "x");
  EXPECT_EQ(client.session.closing, CloseReason::slow_consumer);
}

TEST_F(AudienceTest, LastWordsGoBeyondEveryLimit) {
  Client& slow = join("room:1");
  slow.window = 0;
  for (int i = 0; i < 3; ++i) publish(slow, i, i);
  ASSERT_FALSE(slow.ended.has_value());
  world_.hub(0).audience().last_words(slow.session, std::string(5'000, 'x'));
  EXPECT_FALSE(slow.session.closing.has_value());
}

TEST_F(AudienceTest, ManyRoomsInOneTickGoOutInMoreVisitsThanOne) {
  Client& client = world_.connect(0);
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(client.subscribe(fmt::format("room:{}", i)).ok());
    world_.settle();  // a hundred answers at once would be more than reply_bytes_max
  }
  client.take();
  Client& publisher = world_.connect(0);
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(publisher.publish(fmt::format("room:{}", i), "1").ok());
  world_.settle();
  EXPECT_EQ(client.take().size(), 100U);
  EXPECT_FALSE(client.ended.has_value());
}

TEST_F(AudienceTest, NewGrantsEndWhatTheyDoNotCover) {
  Client& ada = join("room:1", "ada");
  ASSERT_TRUE(ada.subscribe("other:1").ok());
  ASSERT_TRUE(ada.view("room:1", PresenceMail::Action::join).ok());
  ASSERT_TRUE(ada.view("other:1", PresenceMail::Action::join).ok());
  world_.settle();
  ada.take();
  Grants fewer;
  ASSERT_TRUE(fewer.add(Verb::subscribe, "other:*").ok());
  ASSERT_TRUE(fewer.add(Verb::presence, "other:*").ok());
  world_.hub(0).renew(ada.session, std::make_shared<const Identity>(Identity{"ada", fewer, {}}));
  world_.settle();
  const auto seen = ada.take("unsubscribed", "room:1");
  ASSERT_EQ(seen.size(), 1U);
  EXPECT_FALSE(seen[0].reason.empty());
  EXPECT_EQ(ada.session.viewing, (std::forward_list<std::string>{"other:1"}));
  Client& publisher = world_.connect(0);
  publish(publisher, 1, 1);
  EXPECT_TRUE(ada.take("test", "room:1").empty());
  EXPECT_EQ(ada.subscribe("room:1").error().code, Errc::forbidden);
  EXPECT_EQ(ada.publish("other:1", "1").error().code, Errc::forbidden);
}

TEST_F(AudienceTest, AnotherUserOnTheSameConnectionIsAnotherUser) {
  Client& client = world_.connect(0, "ada");
  world_.hub(0).audience().identify(
      client.session, std::make_shared<const Identity>(Identity{"bob", Grants::all(), {}}));
  ASSERT_TRUE(client.subscribe("room:1").ok());
  world_.settle();
  client.take();
  PublishAsk not_for_ada;
  not_for_ada.exclude_user = "ada";
  PublishAsk not_for_bob;
  not_for_bob.exclude_user = "bob";
  ASSERT_TRUE(client.publish("room:1", "1", not_for_ada).ok());
  ASSERT_TRUE(client.publish("room:1", "2", not_for_bob).ok());
  world_.settle();
  EXPECT_EQ(events_of(client.take()), (Events{"1:1"}));
}

TEST_F(AudienceTest, StreamsAndSocketsOfOneRoomGetTheirOwnEncoding) {
  Client& socket = join("room:1");
  Client& stream = world_.connect(0, {}, Encoding::sse);
  ASSERT_TRUE(stream.subscribe("room:1").ok());
  world_.settle();
  stream.wire.clear();
  publish(socket, 7, 7);
  EXPECT_EQ(events_of(socket.take()), (Events{"1:7"}));
  EXPECT_NE(stream.wire.find("data: {"), std::string::npos) << stream.wire;
  EXPECT_NE(stream.wire.find(".1\n"), std::string::npos) << "id: epoch.offset";
}

class CompressionTest : public AudienceTest {
 protected:
  Client& join_compressed(std::string user = {}, std::optional<Position> recover = {}) {
    Client& client = world_.connect(0, std::move(user), Encoding::native_deflate);
    EXPECT_TRUE(client.subscribe("room:1", std::move(recover)).ok());
    world_.settle();
    return client;
  }
  static std::string text(std::size_t bytes) { return '"' + std::string(bytes, 'x') + '"'; }
};

TEST_F(CompressionTest, OneCompressedFrameServesAllWhoNegotiatedIt) {
  Client& plain = join("room:1");
  std::vector<Client*> clients;
  for (int i = 0; i < 10; ++i) clients.push_back(&join_compressed());
  for (Client* client : clients) client->take();
  const auto frames = world_.metrics(0).frames_encoded.value();
  ASSERT_TRUE(plain.publish("room:1", text(500)).ok());
  world_.settle();
  EXPECT_EQ(world_.metrics(0).frames_encoded.value(), frames + 2) << "one for each encoding";
  EXPECT_EQ(world_.metrics(0).frames_compressed.value(), 1U);
  EXPECT_EQ(world_.metrics(0).deliveries.value(), 11U);
  EXPECT_GT(plain.wire.size(), std::size_t{500});
  EXPECT_EQ(events_of(plain.take()), (Events{"1:" + text(500)}));
  const std::string wire = clients[0]->wire;
  EXPECT_LT(wire.size(), std::size_t{300});
  for (Client* client : clients) {
    EXPECT_EQ(client->wire, wire);
    EXPECT_EQ(events_of(client->take()), (Events{"1:" + text(500)}));
  }
}

TEST_F(CompressionTest, NothingIsCompressedForThoseWhoHaveNotNegotiatedIt) {
  Client& plain = join("room:1");
  ASSERT_TRUE(plain.publish("room:1", text(500)).ok());
  world_.settle();
  EXPECT_EQ(world_.metrics(0).frames_compressed.value(), 0U);
}

TEST_F(CompressionTest, SmallMessagesAndAnswersStayAsTheyAre) {
  Client& client = join_compressed();
  client.take();
  publish(client, 1, 1);
  EXPECT_EQ(world_.metrics(0).frames_compressed.value(), 0U);
  EXPECT_EQ(events_of(client.take()), (Events{"1:1"}));
}

TEST_F(CompressionTest, CompressedFramesKnowWhoIsExcluded) {
  Client& ada = join_compressed("ada");
  Client& bob = join_compressed("bob");
  ada.take();
  bob.take();
  PublishAsk not_for_ada;
  not_for_ada.exclude_user = "ada";
  ASSERT_TRUE(bob.publish("room:1", text(300)).ok());
  ASSERT_TRUE(bob.publish("room:1", text(301), not_for_ada).ok());
  ASSERT_TRUE(bob.publish("room:1", text(302)).ok());
  world_.settle();
  EXPECT_EQ(events_of(ada.take()), (Events{"1:" + text(300), "3:" + text(302)}));
  EXPECT_EQ(events_of(bob.take()), (Events{"1:" + text(300), "2:" + text(301), "3:" + text(302)}));
}

TEST_F(CompressionTest, ASlowSocketGetsWholeCompressedFrames) {
  for (std::size_t window = 0; window < 300; window += 7) {
    Client& client = join_compressed();
    client.take();
    client.window = window;
    Client& publisher = world_.connect(0);
    ASSERT_TRUE(publisher.publish("room:1", text(300)).ok());
    ASSERT_TRUE(publisher.publish("room:1", text(301)).ok());
    world_.settle();
    client.window = SIZE_MAX;
    client.unblock();
    world_.settle();
    EXPECT_EQ(events_of(client.take()).size(), 2U) << window;
    client.close();
    publisher.close();
  }
}

TEST_F(CompressionTest, MissedEventsAreCompressedOnceForAReconnectStorm) {
  Client& publisher = join("room:1");
  for (std::size_t i = 0; i < 3; ++i) ASSERT_TRUE(publisher.publish("room:1", text(300 + i)).ok());
  world_.settle();
  const Epoch epoch = publisher.published[0].outcome.value().epoch;
  std::vector<Client*> storm;
  for (int i = 0; i < 5; ++i) {
    storm.push_back(&world_.connect(0, {}, Encoding::native_deflate));
    ASSERT_TRUE(storm.back()->subscribe("room:1", Position{epoch, 0}).ok());
  }
  world_.settle();
  EXPECT_EQ(world_.metrics(0).frames_compressed.value(), 3U);
  for (Client* client : storm) EXPECT_EQ(events_of(client->take()).size(), 3U);
}

TEST_F(AudienceTest, ClosingInMidTickLeavesNothingBehind) {
  Client& first = join("room:1", "ada");
  Client& second = join("room:1", "ada");
  Client& third = join("room:1");
  ASSERT_TRUE(third.publish("room:1", "1").ok());
  world_.hub(0).handle_local(100, world_.now());  // it waits in the channel now
  first.close();
  world_.settle();
  EXPECT_EQ(second.take().size(), 1U);
  EXPECT_EQ(third.take().size(), 1U);
  EXPECT_EQ(world_.hub(0).audience().sessions(), 2U);
  second.close();
  third.close();
  world_.settle();
  EXPECT_EQ(world_.hub(0).audience().subscriptions(), 0U);
}

}  // namespace
}  // namespace ringcast
