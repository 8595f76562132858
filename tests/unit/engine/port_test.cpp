// An application's port: what it publishes and subscribes to in a running engine.
#include "port.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine.hpp"
#include "message/home_shard.hpp"
#include "message/json.hpp"

namespace ringcast {
namespace {

using Lines = std::vector<std::string>;

constexpr std::uint32_t kMailboxMax = 64;

// Writes down what comes, a line each, by subscription.
class Recorder final : public PortListener {
 public:
  void subscribed(SubscriptionId id, const SubscribedMail& answer) override {
    answers[id] = answer;
  }
  void event(SubscriptionId id, EventRef event) override {
    lines[id].push_back(fmt::format("{} {}", event->room, event->data));
    last_offset = event->offset;
    if (on_event) on_event(id);
  }
  void gap(SubscriptionId id, const GapMail& gap) override {
    lines[id].push_back(fmt::format("{} gap {}-{}", gap.room, gap.from, gap.to));
    gaps.push_back(gap);
  }
  void epoch_changed(SubscriptionId, const EpochMail&) override {}
  void presence_changed(SubscriptionId, const PresenceUpdateMail&) override {}
  void published(std::uint64_t tag, const PublishedMail& answer) override {
    outcomes.emplace(tag, answer.outcome);
  }
  void presence_list(std::uint64_t tag, const PresenceListMail& answer) override {
    pages.emplace(tag, answer);
  }
  void mail(ShardMail&& mail) override {
    if (const auto* answer = std::get_if<AdminAnswerMail>(&mail))
      rooms = std::get<RoomsPage>(**answer->outcome);
  }

  std::map<SubscriptionId, SubscribedMail> answers;
  std::map<SubscriptionId, Lines> lines;
  std::multimap<std::uint64_t, Result<Appended>> outcomes;
  std::map<std::uint64_t, PresenceListMail> pages;
  std::vector<GapMail> gaps;
  std::optional<RoomsPage> rooms;
  std::function<void(SubscriptionId)> on_event;
  Offset last_offset = 0;
};

class PortTest : public ::testing::Test {
 protected:
  explicit PortTest(std::function<void(Config&)> change = [](Config&) {}) {
    Config config;
    config.listen.address = "127.0.0.1:0";
    config.engine.shards = 2;
    config.engine.ports = 2;
    config.engine.mailbox_max = kMailboxMax;
    config.engine.stop_deadline_ms = 500;
    config.log.level = log::Level::error;
    config.dev = true;
    change(config);
    auto started = Engine::start(std::move(config));
    EXPECT_TRUE(started.ok()) << started.error().detail;
    engine_ = std::move(*started);
    port_ = &engine_->port(0);
  }

  void publish(std::string_view room, std::string_view data, std::uint64_t tag = 1) {
    auto asked = try_publish(room, data, tag);
    ASSERT_TRUE(asked.ok()) << asked.error().detail;
    EXPECT_EQ(*asked, Asked::queued);
    port_->flush();
  }
  Result<Asked> try_publish(std::string_view room, std::string_view data, std::uint64_t tag = 1) {
    PublishAsk ask;
    ask.room = room;
    ask.type = "t";
    ask.data = data;
    return port_->publish(std::move(ask), WallTime{}, tag);
  }
  SubscriptionId subscribe(std::string_view room, std::optional<Position> recover = {}) {
    auto id = port_->subscribe(room, std::move(recover));
    EXPECT_TRUE(id.ok()) << id.error().detail;
    port_->flush();
    until([&] { return seen_.answers.contains(*id); });
    return *id;
  }
  // Drains until it is so; the test runner's time-out is the limit.
  void until(const std::function<bool()>& so) {
    while (true) {
      while (port_->drain(1'024, seen_)) {
      }
      port_->flush();
      if (so()) return;
      pollfd wait{port_->fd(), POLLIN, 0};
      ASSERT_GE(::poll(&wait, 1, 30'000), 1) << "nothing has come";
    }
  }
  // As the server API tells it; none: the room is not listed. Its home is asked, which has heard
  // before whatever this port told it.
  std::optional<std::uint32_t> subscribers(const std::string& room) {
    seen_.rooms.reset();
    const auto ask = std::make_shared<const AdminAsk>(RoomsAsk{room, {}, 1});
    EXPECT_TRUE(port_->ask(home_shard(room, 2), AdminMail{port_->reply_to(1), ask}).ok());
    port_->flush();
    until([&] { return seen_.rooms.has_value(); });
    port_->answered();
    if (seen_.rooms->rooms.empty()) return std::nullopt;
    return seen_.rooms->rooms.front().subscribers;
  }
  // A room whose home is that shard.
  static std::string room_at(std::uint32_t shard) {
    for (int i = 0;; ++i)
      if (std::string room = fmt::format("chat:{}", i); home_shard(room, 2).value == shard)
        return room;
  }

  std::unique_ptr<Engine> engine_;
  Port* port_ = nullptr;
  Recorder seen_;
};

TEST_F(PortTest, APublishIsAnsweredWithIdAndPositionAndReachesTheSubscriber) {
  for (const std::uint32_t shard : {0U, 1U}) {
    const std::string room = room_at(shard);
    const SubscriptionId id = subscribe(room);
    EXPECT_EQ(seen_.answers[id].at.offset, 0U);
    publish(room, "1", 7 + shard);
    publish(room, "2", 7 + shard);
    until([&] { return seen_.lines[id].size() == 2 && seen_.outcomes.count(7 + shard) == 2; });
    EXPECT_EQ(seen_.lines[id], (Lines{room + " 1", room + " 2"}));
    const auto& first = seen_.outcomes.find(7 + shard)->second;
    ASSERT_TRUE(first.ok());
    EXPECT_EQ(first.value().offset, 1U);
    EXPECT_EQ(first.value().epoch, seen_.answers[id].at.epoch);
  }
}

// Small texts go in batches, what is shared or large by itself.
TEST_F(PortTest, WhatIsPublishedInOneGoKeepsItsOrderHoweverItTravels) {
  const std::string room = room_at(1);
  const SubscriptionId before = subscribe(room);
  const std::string large = '"' + std::string(64 * 1024, 'x') + '"';
  Lines expected;
  for (int i = 0; i < 50; ++i) {
    const std::string small = std::to_string(i);
    for (const std::string& data : {small, i % 10 == 0 ? large : small}) {
      ASSERT_EQ(*try_publish(room, data, ReplyTo::kErrorsOnly), Asked::queued);
      expected.push_back(room + ' ' + data);
    }
    if (i % 7 != 0) continue;
    PublishAsk shared;
    shared.room = room;
    shared.type = "t";
    shared.data = *check_payload(R"("shared")", JsonShape::any, "data");
    while (*port_->publish(shared, WallTime{}, ReplyTo::kErrorsOnly) == Asked::full) port_->flush();
    expected.push_back(room + R"( "shared")");
    port_->flush();
    until([&] { return seen_.lines[before].size() == expected.size(); });
  }
  port_->flush();
  until([&] { return seen_.lines[before].size() == expected.size(); });
  EXPECT_EQ(seen_.lines[before], expected);
}

TEST_F(PortTest, ASubscriptionBeginsBehindWhatWasPublishedBeforeIt) {
  ASSERT_EQ(*try_publish("chat:1", "1"), Asked::queued);
  const SubscriptionId id = subscribe("chat:1");
  ASSERT_EQ(*try_publish("chat:1", "2"), Asked::queued);
  port_->unsubscribe(id);
  const SubscriptionId again = subscribe("chat:1");
  EXPECT_EQ(seen_.answers[id].at.offset, 1U);
  EXPECT_EQ(seen_.answers[again].at.offset, 2U);
}

TEST_F(PortTest, TwoSubscriptionsOfARoomBeginEachAtItsOwnPoint) {
  const SubscriptionId early = subscribe("chat:1");
  publish("chat:1", "1");
  until([&] { return seen_.lines[early].size() == 1; });
  const SubscriptionId late = subscribe("chat:1");
  EXPECT_EQ(seen_.answers[late].at.offset, 1U);
  publish("chat:1", "2");
  until([&] { return seen_.lines[late].size() == 1; });
  EXPECT_EQ(seen_.lines[early], (Lines{"chat:1 1", "chat:1 2"}));
  EXPECT_EQ(seen_.lines[late], (Lines{"chat:1 2"}));
}

TEST_F(PortTest, OneThatJoinsAmongManyEventsGetsThoseBehindItsAnswerAlone) {
  constexpr std::size_t kBefore = 20;  // all of it fits into the mailbox
  const SubscriptionId early = subscribe("chat:1");
  Lines all;
  const auto publish_some = [&] {
    for (std::size_t i = 0; i < kBefore; ++i) {
      all.push_back(fmt::format("chat:1 {}", all.size()));
      const std::string data = std::to_string(all.size() - 1);
      ASSERT_EQ(*try_publish("chat:1", data, ReplyTo::kErrorsOnly), Asked::queued);
    }
  };
  publish_some();
  const auto late = port_->subscribe("chat:1", {});
  ASSERT_TRUE(late.ok());
  publish_some();
  port_->flush();
  until([&] { return seen_.lines[early].size() == all.size(); });
  EXPECT_EQ(seen_.answers[*late].at.offset, Offset{kBefore});
  EXPECT_EQ(seen_.lines[early], all);
  EXPECT_EQ(seen_.lines[*late], Lines(all.begin() + kBefore, all.end()));
}

TEST_F(PortTest, OneThatComesBackRecoversWhatItMissed) {
  const SubscriptionId first = subscribe("chat:1");
  const Epoch epoch = seen_.answers[first].at.epoch;
  publish("chat:1", "1");
  publish("chat:1", "2");
  until([&] { return seen_.lines[first].size() == 2; });
  port_->unsubscribe(first);
  publish("chat:1", "3");
  const SubscriptionId again = subscribe("chat:1", Position{epoch, 1});
  EXPECT_EQ(seen_.answers[again].recovered, true);
  EXPECT_EQ(seen_.lines[again], (Lines{"chat:1 2", "chat:1 3"}));
  EXPECT_EQ(seen_.lines[first].size(), 2U);
}

TEST_F(PortTest, ARoomIsListedWithItsSubscriptionsInProcess) {
  const std::string room = room_at(1);
  const SubscriptionId first = subscribe(room);
  const SubscriptionId second = subscribe(room);
  subscribe("chat:*");
  EXPECT_EQ(subscribers(room), 2U);
  port_->unsubscribe(first);
  EXPECT_EQ(subscribers(room), 1U);
  port_->unsubscribe(second);
  EXPECT_EQ(subscribers(room), 0U);
}

TEST_F(PortTest, OneThatEndsBeforeItsAnswerIsNoSubscriber) {
  const std::string room = room_at(1);
  const SubscriptionId kept = subscribe(room);
  const auto ended = port_->subscribe(room, {});
  ASSERT_TRUE(ended.ok());
  port_->unsubscribe(*ended);
  subscribe(room_at(1));  // its answer comes behind that one's
  EXPECT_EQ(subscribers(room), 2U);
  EXPECT_FALSE(seen_.answers.contains(*ended));
  publish(room, "1");
  until([&] { return seen_.lines[kept].size() == 1; });
}

TEST_F(PortTest, APatternGetsRoomsThatAreThereAndRoomsThatCome) {
  publish("chat:1", "0");
  until([&] { return seen_.outcomes.size() == 1; });
  const SubscriptionId chats = subscribe("chat:*");
  const SubscriptionId all = subscribe("*");
  const SubscriptionId one = subscribe("chat:1");
  publish("chat:1", "1");
  publish("chat:2", "2");
  publish("other", "3");
  until([&] { return seen_.lines[all].size() == 3 && seen_.outcomes.size() == 4; });
  EXPECT_EQ(Lines(seen_.lines[one]), (Lines{"chat:1 1"}));
  EXPECT_EQ(seen_.lines[chats].size(), 2U);

  port_->unsubscribe(chats);
  port_->unsubscribe(one);
  publish("chat:1", "4");
  publish("chat:3", "5");
  until([&] { return seen_.lines[all].size() == 5; });
  EXPECT_EQ(seen_.lines[chats].size(), 2U);
  EXPECT_EQ(seen_.lines[one].size(), 1U);
}

TEST_F(PortTest, AnEndedPatternLeavesTheRoomsThatAreSubscribedByName) {
  const SubscriptionId one = subscribe("chat:1");
  const SubscriptionId chats = subscribe("chat:*");
  port_->unsubscribe(chats);
  publish("chat:1", "1");
  until([&] { return seen_.lines[one].size() == 1; });
  EXPECT_TRUE(seen_.lines[chats].empty());
  EXPECT_EQ(port_->subscriptions(), 1U);
}

TEST_F(PortTest, WhoeverIsToldMayUnsubscribe) {
  const SubscriptionId first = subscribe("chat:1");
  const SubscriptionId second = subscribe("chat:1");
  seen_.on_event = [&](SubscriptionId) {
    port_->unsubscribe(first);
    port_->unsubscribe(second);
    port_->unsubscribe(second);
  };
  publish("chat:1", "1");
  publish("chat:1", "2");
  until([&] { return seen_.outcomes.size() == 2; });
  EXPECT_EQ(seen_.lines[first].size() + seen_.lines[second].size(), 1U);
  EXPECT_EQ(port_->subscriptions(), 0U);
}

TEST_F(PortTest, OnlyFailuresAreToldIfThatIsAskedFor) {
  publish("chat:1", "1", ReplyTo::kErrorsOnly);
  PublishAsk other;
  other.room = "chat:1";
  other.type = "t";
  other.data = *check_payload("2", JsonShape::any, "data");
  other.idempotency_key = "k";
  const auto send = [&](std::string_view data) {
    PublishAsk ask = other;
    ask.data = *check_payload(data, JsonShape::any, "data");
    ASSERT_TRUE(port_->publish(std::move(ask), WallTime{}, ReplyTo::kErrorsOnly).ok());
    port_->flush();
  };
  send("2");
  send("3");  // the same key, other bytes
  until([&] { return seen_.outcomes.size() == 1; });
  ASSERT_FALSE(seen_.outcomes.begin()->second.ok());
  EXPECT_EQ(seen_.outcomes.begin()->second.error().code, Errc::conflict);
}

TEST_F(PortTest, WrongNamesAreRefusedWithTheFieldThatIsWrong) {
  EXPECT_EQ(try_publish("", "1").error().code, Errc::validation);
  EXPECT_NE(try_publish("a*", "1").error().detail.find("room"), std::string::npos);
  PublishAsk reserved;
  reserved.room = "r";
  reserved.type = "subscribed";
  reserved.data = *check_payload("1", JsonShape::any, "data");
  EXPECT_NE(port_->publish(std::move(reserved), WallTime{}, 1).error().detail.find("event"),
            std::string::npos);
  EXPECT_EQ(port_->subscribe("chat*", {}).error().code, Errc::validation);
  EXPECT_EQ(port_->subscribe("chat:*", Position{"e", 1}).error().code, Errc::validation);
  EXPECT_EQ(port_->subscriptions(), 0U);
}

// Another application publishes, while nobody drains the first one's port.
class FullPort : public PortTest {
 protected:
  void publish_elsewhere(const std::string& room, std::size_t events) {
    Port& other = engine_->port(1);
    Recorder others;
    for (std::size_t sent = 0; others.outcomes.size() < events;) {
      for (Asked asked = Asked::queued; sent < events && asked == Asked::queued;) {
        PublishAsk ask;
        ask.room = room;
        ask.type = "t";
        ask.data = *check_payload(std::to_string(sent), JsonShape::any, "data");
        asked = *other.publish(std::move(ask), WallTime{}, 1);
        sent += asked == Asked::queued;
      }
      other.flush();
      while (other.drain(64, others)) {
      }
      if (others.outcomes.size() == sent) continue;
      pollfd wait{other.fd(), POLLIN, 0};
      ASSERT_GE(::poll(&wait, 1, 30'000), 1);
    }
    for (const auto& [tag, outcome] : others.outcomes) EXPECT_TRUE(outcome.ok());
  }
  static Lines numbered(const std::string& room, std::size_t from, std::size_t to) {
    Lines lines;
    for (std::size_t i = from; i < to; ++i) lines.push_back(fmt::format("{} {}", room, i));
    return lines;
  }

  static constexpr std::size_t kHistory = 100;
  const std::string room_ = room_at(0);
  const SubscriptionId id_ = subscribe(room_);
};

TEST_F(FullPort, HoldsUpNobodyAndGetsWhatItMissedFromHistory) {
  constexpr std::size_t kEvents = kMailboxMax + kHistory;  // it has missed what history just holds
  publish_elsewhere(room_, kEvents);
  until([&] { return seen_.last_offset == kEvents; });
  EXPECT_TRUE(seen_.gaps.empty());
  EXPECT_EQ(seen_.lines[id_], numbered(room_, 0, kEvents));
}

// What the port missed comes once more for all of the room, and is no news to who has it.
TEST_F(FullPort, OneThatJoinsMeanwhileGetsWhatItAskedForAndNothingTwice) {
  constexpr std::size_t kEvents = kMailboxMax + kHistory / 2;
  const Epoch epoch = seen_.answers[id_].at.epoch;
  publish_elsewhere(room_, kEvents);
  const auto joined = port_->subscribe(room_, {});
  const auto recovering = port_->subscribe(room_, Position{epoch, kEvents - 10});
  ASSERT_TRUE(joined.ok() && recovering.ok());
  port_->flush();
  until([&] { return seen_.answers.contains(*joined) && seen_.answers.contains(*recovering); });
  publish_elsewhere(room_, 1);
  until([&] { return seen_.lines[id_].size() == kEvents + 1; });
  EXPECT_EQ(seen_.lines[*joined], Lines{room_ + " 0"}) << "the one behind its answer";
  Lines tail = numbered(room_, kEvents - 10, kEvents);
  tail.push_back(room_ + " 0");
  EXPECT_EQ(seen_.lines[*recovering], tail);
  EXPECT_TRUE(seen_.gaps.empty());
}

TEST_F(FullPort, ThatLostSomethingTellsWhoJoinedBehindItOfNoGap) {
  constexpr std::size_t kEvents = kMailboxMax + kHistory + 1;
  publish_elsewhere(room_, kEvents);
  const auto joined = port_->subscribe(room_, {});
  ASSERT_TRUE(joined.ok());
  port_->flush();
  until([&] { return seen_.last_offset == kEvents && seen_.answers.contains(*joined); });
  publish(room_, "1000");
  until([&] { return seen_.last_offset == kEvents + 1; });
  EXPECT_EQ(seen_.gaps.size(), 1U) << "told to the one that missed something";
  EXPECT_EQ(seen_.lines[*joined], Lines{room_ + " 1000"});
}

TEST_F(FullPort, IsToldOfTheGapWhereHistoryHasNoMore) {
  constexpr std::size_t kEvents = kMailboxMax + kHistory + 1;
  publish_elsewhere(room_, kEvents);
  until([&] { return seen_.last_offset == kEvents; });
  ASSERT_EQ(seen_.gaps.size(), 1U);
  EXPECT_EQ(seen_.gaps.front().reason, GapMail::Reason::overflow);
  EXPECT_EQ(seen_.gaps.front().from, Offset{kMailboxMax});
  EXPECT_EQ(seen_.gaps.front().to, Offset{kMailboxMax + 1});
  EXPECT_EQ(seen_.lines[id_].size(), kEvents) << "the gap has the place of one event";
  publish(room_, "1000");
  until([&] { return seen_.last_offset == kEvents + 1; });
}

TEST_F(PortTest, AQuestionThatIsNotAnsweredYetHasItsPlace) {
  std::uint32_t accepted = 0;
  Result<void> refused;
  while (refused.ok() && accepted <= 4 * kMailboxMax) {
    refused = port_->list_viewers(accepted % 2 == 0 ? room_at(0) : room_at(1), "", 10, accepted);
    accepted += refused.ok();
  }
  EXPECT_EQ(accepted, kMailboxMax);
  EXPECT_EQ(refused.error().code, Errc::unavailable);
  port_->flush();
  until([&] { return seen_.pages.size() == accepted; });
  EXPECT_TRUE(port_->list_viewers("chat:1", "", 10, 1).ok());
}

// Nobody is woken before the flush, so the shard takes nothing meanwhile.
TEST_F(PortTest, APublishThatFindsNoPlaceIsNoErrorAndHasNotHappened) {
  std::uint32_t queued = 0;
  while (queued <= 4 * kMailboxMax && *try_publish("chat:1", "1", queued) == Asked::queued)
    ++queued;
  EXPECT_EQ(queued, kMailboxMax);
  port_->flush();
  until([&] { return seen_.outcomes.size() == queued; });
  publish("chat:1", "2", queued);
  until([&] { return seen_.outcomes.size() == queued + 1; });
}

class PortWithoutStore : public PortTest {
 protected:
  PortWithoutStore()
      : PortTest([](Config& config) {
          NamespaceConfig kept;
          kept.name = "kept";
          kept.history = HistoryKind::store;
          config.namespaces.push_back(kept);
        }) {}
};

TEST_F(PortWithoutStore, APublishIntoAStoreRoomIsAnErrorThatSaysWhatIsMissing) {
  const auto refused = try_publish("kept:1", "1");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Errc::unavailable);
  EXPECT_NE(refused.error().detail.find("store.url"), std::string::npos);
  publish("chat:1", "1");
  until([&] { return seen_.outcomes.size() == 1; });
}

// With a store: what is published into its rooms is a row before it is an event.
class PortWithStore : public PortTest {
 protected:
  PortWithStore() : PortTest([](Config& config) { config.store.url = "sqlite:" + path(); }) {}
  ~PortWithStore() override {
    engine_.reset();
    for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(path() + suffix);
  }
  static std::string path() {
    return (std::filesystem::temp_directory_path() / fmt::format("port_test_{}.db", ::getpid()))
        .string();
  }
};

TEST_F(PortWithStore, APublishIntoAStoreRoomIsCommittedAndThenDelivered) {
  const SubscriptionId id = subscribe("tenant:42");
  const SubscriptionId tenants = subscribe("tenant:*");
  publish("tenant:42", R"({"a":1})", 5);
  until([&] { return seen_.lines[id].size() == 1 && seen_.lines[tenants].size() == 1; });
  const auto outcome = seen_.outcomes.find(5);
  ASSERT_NE(outcome, seen_.outcomes.end());
  ASSERT_TRUE(outcome->second.ok());
  EXPECT_EQ(outcome->second.value().offset, seen_.last_offset);
}

}  // namespace
}  // namespace ringcast
