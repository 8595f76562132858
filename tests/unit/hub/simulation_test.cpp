// Random runs of several hubs: whatever happens in whatever order, every subscriber sees its rooms
// in order, without loss that is not announced, nothing twice and nothing that it is excluded from.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <random>
#include <set>

#include "unit/hub/hub_world.hpp"

namespace ringcast {
namespace {

constexpr std::uint32_t kSeedsQuick = 240;

struct Published {
  Offset offset = 0;
  std::string excluded;
};

// What a client library keeps of one subscription.
struct Follower {
  std::string room;
  Position at;
  bool joined = false;
  bool asked = false;
  bool recovering = false;
};

struct Reader {
  Client* client = nullptr;
  std::string user;
  std::map<std::string, Follower> rooms;
};

class Simulation {
 public:
  explicit Simulation(std::uint32_t seed)
      : random_(seed), world_(config(random_), 1 + seed % 4), stalls_(seed % 3 == 0) {
    world_.store_state("s1", 0, 0, true);
    world_.settle();
    for (int i = 0; i < 5; ++i) {
      rooms_.push_back(fmt::format("room:{}", i));
      rooms_.push_back(fmt::format("tenant:{}", i));
    }
    for (int i = 0; i < 6; ++i) connect();
  }

  void run(int steps) {
    for (int i = 0; i < steps && !::testing::Test::HasFailure(); ++i) step();
    for (std::uint32_t shard = 0; shard < world_.shards(); ++shard) world_.unstall(shard);
    for (int i = 0; i < 3; ++i) {
      for (Reader& reader : readers_) reader.client->unblock();
      world_.advance(Millis(10));
      look();
    }
    for (Reader& reader : readers_) expect_complete(reader);
    EXPECT_FALSE(world_.source_waits());
  }
  // Events that clients have followed.
  [[nodiscard]] std::uint64_t seen() const { return seen_; }
  // Announced to them, by reason.
  [[nodiscard]] const std::map<std::string, std::uint64_t>& gaps() const { return gaps_; }

 private:
  static Config config(std::mt19937& random) {
    Config config = World::config();
    config.listen.compress_bytes_min = static_cast<std::uint32_t>(random() % 300);
    config.engine.mailbox_max = 4 + static_cast<std::uint32_t>(random() % 60);
    config.engine.stall_ms = 50;
    for (const char* name : {"*", "tenant"}) {
      World::row(config, name).history_size = 5 + static_cast<std::uint32_t>(random() % 40);
      World::row(config, name).flush_interval_ms = random() % 2 == 0 ? 0 : 20;
      World::row(config, name).recover_max = 1 + static_cast<std::uint32_t>(random() % 40);
      World::row(config, name).slow_policy = static_cast<SlowPolicy>(random() % 3);
      World::row(config, name).send_queue_bytes_max = 1'024 + random() % 2'000;
    }
    return config;
  }
  std::size_t below(std::size_t bound) { return random_() % bound; }
  const std::string& any_room() { return rooms_[below(rooms_.size())]; }
  Reader& any_reader() { return readers_[below(readers_.size())]; }
  std::string any_user() { return below(3) == 0 ? "" : fmt::format("u{}", below(4)); }

  std::string any_key() { return below(3) == 0 ? "" : fmt::format("k{}", below(3)); }
  Encoding any_encoding() { return below(2) == 0 ? Encoding::native : Encoding::native_deflate; }

  void connect() {
    Reader reader;
    reader.user = any_user();
    const auto shard = static_cast<std::uint32_t>(below(world_.shards()));
    reader.client = &world_.connect(shard, reader.user, any_encoding());
    readers_.push_back(std::move(reader));
  }

  void step() {
    switch (below(12)) {
      case 0:
      case 1:
        return subscribe(any_reader(), any_room());
      case 2:
        return unsubscribe(any_reader());
      case 3:
      case 4:
        return publish(any_room());
      case 5:
      case 6:
        return window();
      case 7:
        return reconnect(any_reader());
      case 8:
        return choke(any_reader());
      case 9:
        return stall();
      case 10:
        return world_.advance(Millis(below(30))), look();
      default:
        world_.tick(static_cast<std::uint32_t>(below(world_.shards())));
        return look();
    }
  }

  void subscribe(Reader& reader, const std::string& room) {
    Follower& follower = reader.rooms[room];
    if (follower.joined || follower.asked) return;
    std::optional<Position> recover;
    if (!follower.at.epoch.empty() && below(4) != 0) recover = follower.at;
    follower.room = room;
    follower.recovering = recover.has_value();
    follower.asked = reader.client->subscribe(room, recover).ok();
  }

  void unsubscribe(Reader& reader) {
    look();
    for (auto& [room, follower] : reader.rooms) {
      if (!follower.joined || below(2) == 0) continue;
      EXPECT_TRUE(reader.client->unsubscribe(room).ok());
      // What is on the wire already is still read by the client, and ignored.
      ignored_.insert({reader.client, room});
      follower.joined = false;
      break;
    }
  }

  void reconnect(Reader& reader) {
    look();
    reader.client->close();
    const auto shard = static_cast<std::uint32_t>(below(world_.shards()));
    reader.client = &world_.connect(shard, reader.user, any_encoding());
    for (auto& [room, follower] : reader.rooms) {
      const bool was = follower.joined || follower.asked;
      follower.joined = follower.asked = false;
      if (was) subscribe(reader, room);
    }
  }

  void choke(Reader& reader) {
    if (reader.client->window == SIZE_MAX)
      reader.client->window = below(400);
    else
      reader.client->unblock();
  }

  void stall() {
    if (!stalls_) return;
    const auto shard = static_cast<std::uint32_t>(below(world_.shards()));
    if (below(2) == 0)
      world_.stall(shard);
    else
      world_.unstall(shard);
  }

  void publish(const std::string& room) {
    if (room.starts_with("tenant")) return;
    Reader& reader = any_reader();
    PublishAsk more;
    const std::string excluded = below(3) == 0 ? fmt::format("u{}", below(4)) : "";
    const std::string key = any_key();
    more.exclude_user = excluded;
    more.key = key;
    // The number is the payload: what was really accepted is known by the answers alone.
    const std::string data = std::to_string(++numbers_);
    excluded_[data] = excluded;
    std::ignore = reader.client->publish(room, data, std::move(more));
  }

  void window() {
    const Offset base = ++window_ * 100;
    const std::size_t rows = below(6);
    for (std::size_t i = 0; i < rows; ++i) {
      const std::string room = fmt::format("tenant:{}", below(5));
      const std::string excluded = below(3) == 0 ? fmt::format("u{}", below(4)) : "";
      world_.store_event(room, base + i, excluded, any_key());
      log_[room].push_back({base + i, excluded});
    }
    world_.store_position(base + rows);
  }

  // Reads what has come, as a client library would.
  void look() {
    for (Reader& reader : readers_) {
      for (const Seen& seen : reader.client->take()) message(reader, seen);
      if (reader.client->ended) reconnect_ended(reader);
    }
  }

  void reconnect_ended(Reader& reader) {
    reader.client->ended.reset();
    reconnect(reader);
  }

  void message(Reader& reader, const Seen& seen) {
    Follower& follower = reader.rooms[seen.room];
    if (seen.type == "error") return refused(reader);
    if (seen.type == "subscribed") return subscribed(reader, follower, seen);
    if (ignored_.contains({reader.client, seen.room})) return;
    if (seen.type == "gap") {
      expect_nothing_between(reader, follower, seen.from + 1);
      EXPECT_TRUE(stalls_ || seen.from >= follower.at.offset)
          << seen.room << ": what was seen is announced as missing";
      ++gaps_[seen.reason];
      follower.at.offset = std::max(follower.at.offset, seen.to);
      return;
    }
    if (seen.type != "test" && seen.type != "row") return;
    ASSERT_TRUE(follower.joined) << seen.room << ": an event before the answer";
    if (!seen.room.starts_with("tenant")) note_event(seen);
    if (seen.offset <= follower.at.offset) {
      EXPECT_TRUE(stalls_) << seen.room << ": " << seen.offset << " came twice";
      return;
    }
    expect_meant_for(reader, seen);
    expect_nothing_between(reader, follower, seen.offset);
    follower.at.offset = seen.offset;
    ++seen_;
  }

  // An answer without a room: find whose question is open no more.
  void refused(Reader& reader) {
    for (auto& [room, follower] : reader.rooms) {
      const auto& open = reader.client->session.subscriptions;
      const bool waits = std::any_of(
          open.begin(), open.end(), [&](const auto& subscription) { return !subscription.joined; });
      if (follower.asked && !waits) follower.asked = false;
    }
  }

  void subscribed(Reader& reader, Follower& follower, const Seen& seen) {
    ignored_.erase({reader.client, seen.room});
    const bool asked = std::exchange(follower.asked, false);
    EXPECT_TRUE(asked || follower.joined) << "an answer that nobody asked for";
    if (seen.recovered == true) {
      EXPECT_EQ(seen.epoch, follower.at.epoch);
      EXPECT_EQ(seen.offset, follower.at.offset);
    }
    follower.joined = true;
    follower.at = {seen.epoch, seen.offset};
  }

  // Memory rooms: their offsets are dense, so what is published is known by what anybody sees.
  void note_event(const Seen& seen) {
    auto& events = log_[seen.room];
    const auto found = std::find_if(events.begin(), events.end(),
                                    [&](const Published& p) { return p.offset == seen.offset; });
    if (found == events.end()) {
      events.push_back({seen.offset, excluded_[seen.data]});
      data_[{seen.room, seen.offset}] = seen.data;
    }
    EXPECT_EQ((data_[{seen.room, seen.offset}]), seen.data)
        << seen.room << ": two events at offset " << seen.offset;
  }

  // All that a client has not seen before `to` is not for it.
  void expect_nothing_between(const Reader& reader, const Follower& follower, Offset to) {
    for (const Published& event : log_[follower.room]) {
      if (event.offset <= follower.at.offset || event.offset >= to) continue;
      EXPECT_TRUE(!event.excluded.empty() && event.excluded == reader.user)
          << follower.room << ": " << event.offset << " is missing before " << to;
    }
  }

  void expect_meant_for(const Reader& reader, const Seen& seen) {
    for (const Published& event : log_[seen.room]) {
      if (event.offset != seen.offset) continue;
      EXPECT_TRUE(event.excluded.empty() || event.excluded != reader.user)
          << seen.room << ": " << seen.offset << " is not for " << reader.user;
    }
  }

  void expect_complete(Reader& reader) {
    for (const auto& [room, follower] : reader.rooms) {
      EXPECT_FALSE(follower.asked) << room << ": a question without an answer";
      if (follower.joined) expect_nothing_between(reader, follower, kOffsetMax);
    }
    EXPECT_EQ(reader.client->session.questions, 0U);
  }

  std::mt19937 random_;
  World world_;
  bool stalls_;
  std::vector<std::string> rooms_;
  std::vector<Reader> readers_;
  std::map<std::string, std::vector<Published>> log_;
  std::map<std::string, std::string> excluded_;  // by payload
  std::map<std::pair<std::string, Offset>, std::string> data_;
  std::set<std::pair<const Client*, std::string>> ignored_;
  std::uint64_t numbers_ = 0;
  std::uint64_t seen_ = 0;
  std::map<std::string, std::uint64_t> gaps_;
  Offset window_ = 0;
};

// RINGCAST_SEEDS=n runs n seeds, RINGCAST_SEED=n that one alone.
TEST(HubSimulation, NoOrderOfEventsLosesOrRepeatsAnything) {
  std::uint32_t first = 0;
  std::uint32_t seeds = kSeedsQuick;
  std::uint64_t seen = 0;
  std::map<std::string, std::uint64_t> gaps;
  if (const char* all = std::getenv("RINGCAST_SEEDS"))
    seeds = static_cast<std::uint32_t>(std::atoi(all));
  if (const char* one = std::getenv("RINGCAST_SEED")) {
    first = static_cast<std::uint32_t>(std::atoi(one));
    seeds = 1;
  }
  for (std::uint32_t seed = first; seed < first + seeds; ++seed) {
    SCOPED_TRACE(fmt::format("RINGCAST_SEED={}", seed));
    Simulation simulation(seed);
    simulation.run(400);
    seen += simulation.seen();
    for (const auto& [reason, count] : simulation.gaps()) gaps[reason] += count;
    if (HasFailure()) return;
  }
  EXPECT_GT(seen, std::uint64_t{20} * seeds) << "runs that deliver nothing show nothing";
  if (seeds < kSeedsQuick) return;
  for (const char* reason : {"overflow", "conflated", "shard"})
    EXPECT_GT(gaps[reason], seeds / 24) << reason;
}

}  // namespace
}  // namespace ringcast
