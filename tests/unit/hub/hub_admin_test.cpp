// What the server API asks of all shards: gathered, paged, bounded.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "unit/hub/hub_world.hpp"

namespace ringcast {
namespace {

class HubAdmin : public ::testing::Test {
 protected:
  static Config config() {
    Config config = World::config();
    config.limits.admin_asks_max = 2;
    config.limits.page_bytes_max = 10;
    return config;
  }

  Result<void> ask(Client& client, AdminAsk what) {
    return world_.hub(client.session.id.shard.value)
        .administer(client.session, client.next_tag++, std::move(what));
  }
  // The answer, once everything is quiet.
  template <class Answer>
  Answer told(AdminAsk what) {
    EXPECT_TRUE(ask(server_, std::move(what)).ok());
    world_.settle();
    if (server_.told.empty()) {
      ADD_FAILURE() << (server_.refused.empty() ? "no answer" : server_.refused.back().detail);
      return {};
    }
    const AdminAnswer answer = std::move(server_.told.back());
    server_.told.clear();
    EXPECT_TRUE(std::holds_alternative<Answer>(answer));
    return std::get<Answer>(answer);
  }

  World world_{config(), 3};
  Client& server_ = world_.connect(0);
};

TEST_F(HubAdmin, CountsAreThoseOfAllShards) {
  for (std::uint32_t shard = 0; shard < 3; ++shard) {
    Client& client = world_.connect(shard);
    EXPECT_TRUE(client.subscribe("all").ok());
    EXPECT_TRUE(client.subscribe(fmt::format("own:{}", shard)).ok());
  }
  world_.settle();
  const auto counts = told<Counts>(CountsAsk{});
  EXPECT_EQ(counts.connections, 4U);
  EXPECT_EQ(counts.subscriptions, 6U);
  EXPECT_EQ(counts.rooms, 4U);
}

TEST_F(HubAdmin, PagesOfRoomsTogetherAreEveryRoomOnceInOrder) {
  std::vector<std::string> names;
  for (int i = 0; i < 40; ++i) {
    const std::string name = fmt::format("page:{:02}", i);
    names.push_back(name);
    // A room at its home alone, with subscribers elsewhere alone, or both.
    Client& client = world_.connect(static_cast<std::uint32_t>(i % 3));
    if (i % 2 == 0) {
      EXPECT_TRUE(client.publish(name, "1").ok());
    }
    if (i % 3 != 0) {
      EXPECT_TRUE(client.subscribe(name).ok());
    }
    if (i % 6 == 3) {
      EXPECT_TRUE(client.subscribe(name).ok());
    }
  }
  EXPECT_TRUE(world_.connect(0).publish("other", "1").ok());
  world_.settle();
  for (const std::uint32_t limit : {1U, 7U, 39U, 40U, 41U}) {
    std::vector<std::string> seen;
    RoomsAsk page_ask{"page:", {}, limit};
    for (bool more = true; more;) {
      const auto page = told<RoomsPage>(page_ask);
      ASSERT_LE(page.rooms.size(), limit);
      for (const RoomRow& row : page.rooms) seen.push_back(row.room);
      more = page.more;
      ASSERT_TRUE(!more || page.rooms.size() == limit);
      if (more) page_ask.after = seen.back();
    }
    EXPECT_EQ(seen, names) << limit;
  }
}

TEST_F(HubAdmin, ARoomsSubscribersAreThoseOfAllShards) {
  for (std::uint32_t i = 0; i < 7; ++i) EXPECT_TRUE(world_.connect(i % 3).subscribe("many").ok());
  EXPECT_TRUE(server_.publish("many", "1").ok());
  world_.settle();
  const auto page = told<RoomsPage>(RoomsAsk{"many", {}, 10});
  ASSERT_EQ(page.rooms.size(), 1U);
  EXPECT_EQ(page.rooms[0].subscribers, 7U);
  EXPECT_EQ(page.rooms[0].history, 1U);
  ASSERT_TRUE(page.rooms[0].at.has_value());
  EXPECT_EQ(page.rooms[0].at->offset, 1U);
}

// An application's port, behind the three shards.
TEST_F(HubAdmin, SubscriptionsInProcessCountEachInTheRoomsThatTheyName) {
  constexpr ConnectionId kPort{{3}, {}};
  const std::string room = world_.room_at(1, "many");
  EXPECT_TRUE(world_.connect(2).subscribe(room).ok());
  for (int i = 0; i < 2; ++i) world_.send_from_port(1, SubscribeMail{room, {kPort, 0}, {}});
  const std::string alone = world_.room_at(1, "alone");
  world_.send_from_port(1, SubscribeMail{alone, {kPort, 0}, {}});
  for (std::uint32_t i = 0; i < 3; ++i)
    world_.send_from_port(i, WatchMail{"*", {kPort, 0}, WatchMail::Action::begin});
  const auto subscribers = [&](const std::string& name) {
    const auto page = told<RoomsPage>(RoomsAsk{name, {}, 10});
    return page.rooms.size() == 1 ? std::optional(page.rooms[0].subscribers) : std::nullopt;
  };
  EXPECT_EQ(subscribers(room), 3U);
  EXPECT_EQ(subscribers(alone), 1U);
  EXPECT_EQ(told<Counts>(CountsAsk{}).subscriptions, 4U);

  world_.send_from_port(1, LeaveMail{room, {3}});
  EXPECT_EQ(subscribers(room), 2U) << "the other of the port is still there";
  std::ignore = world_.take_port_mail();
  EXPECT_TRUE(server_.publish(room, "1").ok());
  world_.settle();
  EXPECT_EQ(world_.take_port_mail().size(), 1U);

  world_.send_from_port(1, LeaveMail{room, {3}});
  world_.send_from_port(1, LeaveMail{alone, {3}});
  EXPECT_EQ(subscribers(room), 1U);
  EXPECT_EQ(told<Counts>(CountsAsk{}).subscriptions, 1U);
  world_.advance(Millis(60'000));
  EXPECT_EQ(subscribers(alone), std::nullopt);
}

TEST_F(HubAdmin, HistoryComesFromTheRoomsHome) {
  for (std::uint32_t shard = 0; shard < 3; ++shard) {
    const std::string room = world_.room_at(shard);
    for (int i = 1; i <= 3; ++i) {
      EXPECT_TRUE(server_.publish(room, fmt::format("{}", i)).ok());
      world_.settle();
    }
    const auto page = told<HistoryPage>(HistoryAsk{room, {}, 2});
    ASSERT_EQ(page.events.size(), 2U);
    EXPECT_EQ(page.events[0]->data, "2");
    EXPECT_EQ(page.top->offset, 3U);
    EXPECT_TRUE(page.complete);
    EXPECT_FALSE(page.more);
    const auto rest = told<HistoryPage>(HistoryAsk{room, Position{page.top->epoch, 1}, 1});
    ASSERT_EQ(rest.events.size(), 1U);
    EXPECT_EQ(rest.events[0]->offset, 2U);
    EXPECT_TRUE(rest.more);
  }
}

TEST_F(HubAdmin, APageOfHistoryIsBoundedInOctetsButNeverEmpty) {
  for (const char* data : {"\"12345678\"", "\"1\"", "\"12345678901234567890\"", "1"}) {
    EXPECT_TRUE(server_.publish("octets", data).ok());
    world_.settle();
  }
  const auto top = told<HistoryPage>(HistoryAsk{"octets", {}, 100});
  EXPECT_EQ(top.events.size(), 1U) << "the newest, before one that is too large";
  Position at{top.top->epoch, 0};
  std::vector<std::size_t> sizes;
  for (bool more = true; more;) {
    const auto page = told<HistoryPage>(HistoryAsk{"octets", at, 100});
    ASSERT_FALSE(page.events.empty());
    sizes.push_back(page.events.size());
    at.offset = page.events.back()->offset;
    more = page.more;
  }
  EXPECT_EQ(sizes, (std::vector<std::size_t>{1, 1, 1, 1}));
}

TEST_F(HubAdmin, HistoryOfAStoreRoomWaitsForNothing) {
  EXPECT_TRUE(ask(server_, HistoryAsk{"log:1", {}, 10}).ok());
  world_.settle();
  ASSERT_EQ(server_.refused.size(), 1U);
  EXPECT_EQ(server_.refused[0].code, Errc::unavailable);
  world_.store_state("e", 5, 9, true);
  world_.settle();
  const auto quiet = told<HistoryPage>(HistoryAsk{"log:1", Position{"e", 7}, 10});
  EXPECT_EQ(quiet.top, (Position{"e", 9}));
  EXPECT_TRUE(quiet.complete);
  EXPECT_FALSE(told<HistoryPage>(HistoryAsk{"log:1", Position{"old", 7}, 10}).complete);
}

TEST_F(HubAdmin, ANamespaceWithoutHistoryHasNone) {
  EXPECT_TRUE(ask(server_, HistoryAsk{"plain:1", {}, 10}).ok());
  world_.settle();
  ASSERT_EQ(server_.refused.size(), 1U);
  EXPECT_EQ(server_.refused[0].code, Errc::not_found);
}

TEST_F(HubAdmin, AKickEndsEveryConnectionOfTheUserAndNoOther) {
  std::vector<Client*> mine;
  for (std::uint32_t i = 0; i < 6; ++i) mine.push_back(&world_.connect(i % 3, "ann"));
  Client& other = world_.connect(1, "bob");
  EXPECT_EQ(told<Kicked>(KickAsk{"ann", {}}).count, 6U);
  for (const Client* client : mine) EXPECT_EQ(client->ended, CloseReason::kicked);
  EXPECT_FALSE(other.ended.has_value());
  EXPECT_EQ(told<Kicked>(KickAsk{"ann", {}}).count, 0U);
}

TEST_F(HubAdmin, AKickFromARoomEndsSubscriptionAndPresenceThere) {
  Client& ann = world_.connect(1, "ann");
  Client& bob = world_.connect(2, "bob");
  for (Client* client : {&ann, &bob}) {
    EXPECT_TRUE(client->subscribe("here").ok());
    EXPECT_TRUE(client->subscribe("there").ok());
    EXPECT_TRUE(client->view("here", PresenceMail::Action::join).ok());
  }
  world_.advance(Millis(1'000));  // the first one is told at once,
  world_.advance(Millis(1'000));  // the other with the next interval
  ann.take();
  bob.take();
  EXPECT_EQ(told<Kicked>(KickAsk{"ann", "here"}).count, 1U);
  world_.advance(Millis(1'000));
  EXPECT_EQ(ann.take("unsubscribed", "here").size(), 1U);
  const auto updates = bob.take("presence:update", "here");
  ASSERT_FALSE(updates.empty());
  EXPECT_EQ(updates.back().users, (std::vector<std::string>{"bob"}));
  for (const char* room : {"here", "there"}) EXPECT_TRUE(server_.publish(room, "1").ok());
  world_.settle();
  EXPECT_EQ(events_of(ann.take()).size(), 1U);
  EXPECT_EQ(events_of(bob.take()).size(), 2U);
}

TEST_F(HubAdmin, AKickBeforeTheAnswerToASubscribeHoldsToo) {
  Client& ann = world_.connect(1, "ann");
  EXPECT_TRUE(ann.subscribe(world_.room_at(2)).ok());
  EXPECT_EQ(told<Kicked>(KickAsk{"ann", world_.room_at(2)}).count, 1U);
  EXPECT_TRUE(server_.publish(world_.room_at(2), "1").ok());
  world_.settle();
  EXPECT_TRUE(events_of(ann.take()).empty());
}

TEST_F(HubAdmin, OpenAsksAreLimitedAndTheLimitFreesItself) {
  world_.stall(2);
  EXPECT_TRUE(ask(server_, CountsAsk{}).ok());
  EXPECT_TRUE(ask(server_, CountsAsk{}).ok());
  const auto third = ask(server_, CountsAsk{});
  ASSERT_FALSE(third.ok());
  EXPECT_EQ(third.error().code, Errc::rate_limited);
  world_.settle();
  EXPECT_TRUE(server_.told.empty()) << "a shard stands still";
  world_.unstall(2);
  world_.settle();
  EXPECT_EQ(server_.told.size(), 2U);
  EXPECT_TRUE(ask(server_, CountsAsk{}).ok());
}

TEST_F(HubAdmin, WithoutAPlaceAtOneShardNoneIsAsked) {
  world_.stall(2);
  world_.fill_mailbox(0, 2);
  const auto refused = ask(server_, KickAsk{"ann", {}});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Errc::unavailable);
  world_.unstall(2);
  world_.settle();
  EXPECT_EQ(told<Kicked>(KickAsk{"ann", {}}).count, 0U);
}

TEST_F(HubAdmin, AnAnswerToOneWhoIsGoneIsCounted) {
  Client& asker = world_.connect(1);
  EXPECT_TRUE(ask(asker, CountsAsk{}).ok());
  asker.close();
  world_.settle();
  EXPECT_EQ(world_.metrics(1).answers_to_gone.value(), 1U);
}

// As a port asks: by mail, to any shard, which answers to whoever asked.
TEST_F(HubAdmin, AnAskThatCameByMailIsAnsweredOnce) {
  for (int i = 0; i < 3; ++i) {
    ++server_.session.questions;  // the place of its answer
    world_.send_from_source(
        2, AdminMail{{server_.session.id, 77}, std::make_shared<const AdminAsk>(CountsAsk{})});
  }
  world_.settle();
  EXPECT_EQ(server_.told.size() + server_.refused.size(), 3U);
  ASSERT_EQ(server_.refused.size(), 1U) << "admin_asks_max";
  EXPECT_EQ(server_.session.questions, 0U);
}

}  // namespace
}  // namespace ringcast
