// Who is viewing a room, from one connection's word to every subscriber.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "unit/hub/hub_world.hpp"

namespace ringcast {
namespace {

using Names = std::vector<std::string>;
using Action = PresenceMail::Action;

class HomePresence : public ::testing::Test {
 protected:
  Client& watcher(std::uint32_t shard) {
    Client& client = world_.connect(shard);
    EXPECT_TRUE(client.subscribe(room_).ok());
    world_.settle();
    client.take();
    return client;
  }
  Client& viewer(std::uint32_t shard, std::string user) {
    Client& client = world_.connect(shard, std::move(user));
    EXPECT_TRUE(client.view(room_, Action::join).ok());
    return client;
  }

  World world_{World::config(), 2};
  std::string room_ = world_.room_at(1);
};

TEST_F(HomePresence, TheFirstChangeIsToldAtOnceTheNextAfterTheInterval) {
  Client& watching = watcher(0);
  viewer(0, "ada");
  world_.settle();
  auto seen = watching.take("presence:update", room_);
  ASSERT_EQ(seen.size(), 1U);
  EXPECT_EQ(seen[0].users, (Names{"ada"}));
  EXPECT_EQ(seen[0].joined, (Names{"ada"}));
  EXPECT_EQ(seen[0].offset, 0U);
  viewer(1, "bob");
  viewer(0, "carol");
  world_.advance(Millis(249));
  EXPECT_TRUE(watching.take().empty());
  world_.advance(Millis(1));
  seen = watching.take("presence:update", room_);
  ASSERT_EQ(seen.size(), 1U) << "one for both";
  EXPECT_EQ(seen[0].users, (Names{"ada", "bob", "carol"}));
  EXPECT_EQ(seen[0].joined, (Names{"bob", "carol"}));
}

TEST_F(HomePresence, EveryShardWithSubscribersIsTold) {
  Client& zero = watcher(0);
  Client& one = watcher(1);
  viewer(0, "ada");
  world_.settle();
  EXPECT_EQ(zero.take("presence:update", room_).size(), 1U);
  EXPECT_EQ(one.take("presence:update", room_).size(), 1U);
}

TEST_F(HomePresence, AUserLeavesWithHisLastConnectionAndOnce) {
  Client& watching = watcher(0);
  Client& phone = viewer(0, "ada");
  Client& laptop = viewer(1, "ada");
  world_.settle();
  watching.take();
  phone.close();
  world_.advance(Millis(250));
  EXPECT_TRUE(watching.take().empty());
  ASSERT_TRUE(laptop.view(room_, Action::leave).ok());
  laptop.close();
  world_.advance(Millis(250));
  const auto seen = watching.take("presence:update", room_);
  ASSERT_EQ(seen.size(), 1U);
  EXPECT_EQ(seen[0].left, (Names{"ada"}));
  EXPECT_EQ(seen[0].users, Names{});
}

TEST_F(HomePresence, UsersMaxIsAListAndOneMoreIsACount) {
  Config config = World::config();
  World::row(config, "*").presence_users_max = 2;
  World world(std::move(config));
  Client& watching = world.connect(0);
  ASSERT_TRUE(watching.subscribe("room:1").ok());
  world.settle();
  watching.take();
  std::vector<Seen> seen;
  for (const char* user : {"a", "b", "c"}) {
    ASSERT_TRUE(world.connect(0, user).view("room:1", Action::join).ok());
    world.advance(Millis(250));
    seen = watching.take("presence:update", "room:1");
    ASSERT_EQ(seen.size(), 1U);
    EXPECT_EQ(seen[0].users.has_value(), std::string_view(user) != "c");
  }
  EXPECT_EQ(seen[0].count, 3U);
  EXPECT_EQ(seen[0].joined, (Names{"c"}));
}

TEST_F(HomePresence, RefusesTheAnonymousTheUnknownAndTooMany) {
  Config config = World::config();
  config.limits.rooms_per_connection_max = 1;
  World::row(config, "plain").presence = false;
  World world(std::move(config));
  Client& nobody = world.connect(0);
  EXPECT_EQ(nobody.view("room:1", Action::join).error().code, Errc::unauthorized);
  Client& ada = world.connect(0, "ada");
  EXPECT_EQ(ada.view("plain:1", Action::join).error().code, Errc::forbidden);
  EXPECT_EQ(ada.view("room:1", Action::leave).error().code, Errc::not_found);
  EXPECT_TRUE(ada.view("room:1", Action::join).ok());
  EXPECT_TRUE(ada.view("room:1", Action::join).ok()) << "a second time changes nothing";
  EXPECT_EQ(ada.view("room:2", Action::join).error().code, Errc::rate_limited);
}

TEST_F(HomePresence, PagesThroughAllUsers) {
  for (const char* user : {"a", "b", "c"}) viewer(0, user);
  Client& asking = world_.connect(0, "dora");
  ASSERT_TRUE(
      world_.hub(0).list_viewers(asking.session, 1, room_, "", 2, Hub::Authority::grants).ok());
  world_.settle();
  ASSERT_EQ(asking.pages.size(), 1U);
  EXPECT_EQ(asking.pages[0].users, (Names{"a", "b"}));
  EXPECT_EQ(asking.pages[0].next, "b");
  EXPECT_EQ(asking.pages[0].count, 3U);
  ASSERT_TRUE(world_.hub(0)
                  .list_viewers(asking.session, 2, "room:nobody", "", 2, Hub::Authority::grants)
                  .ok());
  world_.settle();
  EXPECT_EQ(asking.pages.at(1).count, 0U);
}

TEST_F(HomePresence, WaitsForAPlaceWithoutSpinningAndWithoutBeingLost) {
  World world(
      [] {
        Config config = World::config();
        config.engine.mailbox_max = 4;
        return config;
      }(),
      2);
  const std::string room = world.room_at(1);
  Client& watching = world.connect(0);
  ASSERT_TRUE(watching.subscribe(room).ok());
  world.settle();
  watching.take();
  world.stall(0);
  world.fill_mailbox(1, 0);
  ASSERT_TRUE(world.connect(1, "ada").view(room, Action::join).ok());
  world.settle();
  const auto next = world.hub(1).next_deadline();
  EXPECT_TRUE(world.hub(1).has_unsent()) << "it is tried again by and by";
  EXPECT_GT(next, world.now()) << "the shard would spin";
  world.unstall(0);
  world.settle();
  EXPECT_EQ(watching.take("presence:update", room).size(), 1U);
  EXPECT_FALSE(world.hub(1).has_unsent());
}

TEST_F(HomePresence, AChangeThatFindsNoPlaceOnItsWayHomeKeepsItsOrder) {
  World world(
      [] {
        Config config = World::config();
        config.engine.mailbox_max = 4;
        return config;
      }(),
      2);
  const std::string room = world.room_at(1);
  Client& watching = world.connect(1);
  ASSERT_TRUE(watching.subscribe(room).ok());
  world.settle();
  watching.take();
  Client& ada = world.connect(0, "ada");
  world.stall(1);
  world.fill_mailbox(0, 1);
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(ada.view(room, Action::join).ok());
    ASSERT_TRUE(ada.view(room, Action::leave).ok());
  }
  ASSERT_TRUE(ada.view(room, Action::join).ok());
  world.unstall(1);
  world.settle();
  world.advance(Millis(250));
  const auto seen = watching.take("presence:update", room);
  ASSERT_FALSE(seen.empty());
  EXPECT_EQ(seen.back().users, (Names{"ada"}));
}

}  // namespace
}  // namespace ringcast
