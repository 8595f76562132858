// Nothing on the hot path is shared between shards: every load and store of a real engine with two
// shards, real sockets and real clients is recorded by cache line.
#include <gtest/gtest.h>

#include <cstdio>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "engine.hpp"
#include "fanout/client_socket.hpp"
#include "message/home_shard.hpp"
#include "sharing/recorder.hpp"

namespace ringcast {
namespace {

using bench::ClientSocket;

constexpr unsigned kPublishes = 200;
constexpr unsigned kWarmUp = 100;  // tables, pools and history have their final size after it

// An engine with two shards, and clients on a shard of the test's choice.
class World {
 public:
  explicit World(BackendWish backend) {
    Config config;
    config.engine.backend = backend;
    config.listen.address = "127.0.0.1:0";
    config.engine.shards = 2;
    config.engine.stop_deadline_ms = 500;
    config.log.level = log::Level::error;
    config.dev = true;
    auto engine = Engine::start(std::move(config));
    if (!engine.ok()) throw std::runtime_error(engine.error().detail);
    engine_ = std::move(engine).value();
    const std::string address = engine_->address();
    port_ = static_cast<std::uint16_t>(std::stoi(address.substr(address.find(':') + 1)));
  }

  // The kernel chooses a shard by the client's port: tries until it is the one that is asked for.
  ClientSocket client_on(unsigned shard) {
    for (;;) {
      auto socket = ClientSocket::connect(port_);
      if (!socket.ok()) throw std::runtime_error(socket.error().detail);
      sharing::start();
      say(*socket, R"({"type":"ping"})", R"("pong")");
      sharing::stop();
      if (sharing::accesses(shard) > sharing::accesses(1 - shard)) return std::move(*socket);
    }
  }

  static void say(ClientSocket& client, std::string_view json, std::string_view answer) {
    std::string frame;
    ClientSocket::append_frame(frame, json);
    ASSERT_TRUE(client.send(frame).ok());
    const auto got = client.wait_for(answer);
    ASSERT_TRUE(got.ok()) << json << ": " << got.error().detail;
  }

  // A name whose home is this shard.
  static std::string room_at(unsigned shard) {
    for (int i = 0;; ++i)
      if (const std::string room = "r:" + std::to_string(i); home_shard(room, 2).value == shard)
        return room;
  }

 private:
  std::unique_ptr<Engine> engine_;
  std::uint16_t port_ = 0;
};

// The subscribers of one room; the first of them publishes.
struct Members {
  std::string room;
  std::vector<ClientSocket> clients;

  void join() {
    for (ClientSocket& client : clients)
      World::say(client, R"({"type":"subscribe","room":")" + room + "\"}", R"("subscribed")");
  }
  // One at a time: the next when every member has it.
  void publish(unsigned times) {
    std::string frame;
    ClientSocket::append_frame(
        frame, R"({"type":"publish","room":")" + room + R"(","event":"e","data":{"n":1}})");
    for (unsigned i = 0; i < times; ++i) {
      ASSERT_TRUE(clients.front().send(frame).ok());
      for (ClientSocket& client : clients) {
        const auto got = client.wait_for(R"("type":"e")");
        ASSERT_TRUE(got.ok()) << got.error().detail;
      }
    }
  }
};

// On what the kernel gives, and on epoll.
class Sharing : public ::testing::TestWithParam<BackendWish> {};

TEST_P(Sharing, RoomsOfOneShardShareNoCacheLineWithTheOther) {
  World world(GetParam());
  Members members[2];
  for (unsigned shard = 0; shard < 2; ++shard) {
    members[shard].room = World::room_at(shard);
    for (int i = 0; i < 10; ++i) members[shard].clients.push_back(world.client_on(shard));
    members[shard].join();
    members[shard].publish(kWarmUp);
  }
  sharing::start();
  for (unsigned i = 0; i < kPublishes; ++i)
    for (Members& each : members) each.publish(1);
  sharing::stop();
  for (unsigned shard = 0; shard < 2; ++shard)
    EXPECT_GT(sharing::accesses(shard), 10 * kPublishes) << "nothing was recorded";
  const auto lines = sharing::shared_lines();
  EXPECT_TRUE(lines.empty()) << sharing::describe(lines);
}

// Stores to lines that both shards touch, for each publication into a room with `each` subscribers
// on either shard.
double shared_stores_per_event(World& world, std::size_t each) {
  Members members;
  members.room = World::room_at(0);
  for (std::size_t i = 0; i < each; ++i)
    for (unsigned shard = 0; shard < 2; ++shard) members.clients.push_back(world.client_on(shard));
  members.join();
  members.publish(kWarmUp);
  sharing::start();
  members.publish(kPublishes);
  sharing::stop();
  std::uint64_t stores = 0;
  for (const sharing::Line& line : sharing::shared_lines())
    stores += line.writes[0] + line.writes[1];
  return static_cast<double>(stores) / kPublishes;
}

TEST_P(Sharing, WhatTwoShardsShareGrowsWithEventsNotWithSubscribers) {
  World world(GetParam());
  const double few = shared_stores_per_event(world, 2);
  const double many = shared_stores_per_event(world, 50);
  std::printf("stores to shared lines an event: %.1f with 4 subscribers, %.1f with 100\n", few,
              many);
  EXPECT_GT(few, 0) << "an event crosses from shard to shard";
  EXPECT_LT(many - few, 10) << "96 deliveries more an event may not cost shared stores";
}

INSTANTIATE_TEST_SUITE_P(Backends, Sharing,
                         ::testing::Values(BackendWish::automatic, BackendWish::epoll),
                         [](const auto& each) {
                           return each.param == BackendWish::epoll ? "epoll" : "automatic";
                         });

}  // namespace
}  // namespace ringcast
