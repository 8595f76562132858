#include "pg/listener.hpp"

#include <gmock/gmock.h>
#include <poll.h>
#include <signal.h>

#include "unit/pg/test_database.hpp"

namespace ringcast::pg {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::chrono::seconds kPatience{60};
constexpr Millis kNever{600'000};

Instant now() { return SystemClock{}.now(); }

// A store whose fallback poll never comes, so that only a notification ends its sleep.
std::unique_ptr<PgStore> sleeper(const TestDatabase& database, Listener::Pace pace = {}) {
  auto settings = settings_for(database.url());
  pace.poll_fallback = kNever;
  settings.pace = pace;
  return opened(std::move(settings));
}

// One round of the source's sleep. True: next() is worth a call.
bool sleep_once(OutboxStore& store, Instant end) {
  std::vector<pollfd> fds;
  const Instant until = std::min(end, store.arm(fds, now()));
  const auto wait = std::chrono::ceil<Millis>(std::max(Nanos{0}, until - now()));
  poll(fds.data(), fds.size(), static_cast<int>(wait.count()));
  return store.woke(fds, now());
}

// Reads and sleeps until the store would sleep for long: it is armed, and all have settled.
void fall_asleep(OutboxStore& store) {
  const Instant end = now() + kPatience;
  while (now() < end) {
    EXPECT_THAT(read_all(store), IsEmpty());
    std::vector<pollfd> fds;
    const Instant until = store.arm(fds, now());
    const auto wait = std::chrono::ceil<Millis>(std::max(Nanos{0}, until - now()));
    if (wait > Millis{1'000}) return;
    poll(fds.data(), fds.size(), static_cast<int>(wait.count()));
    store.woke(fds, now());
  }
  FAIL() << "the store never sleeps";
}

std::vector<std::string> sleep_and_read(OutboxStore& store) {
  const Instant end = now() + kPatience;
  while (now() < end) {
    if (!sleep_once(store, end)) continue;
    if (auto names = names_of(read_all(store)); !names.empty()) return names;
  }
  return {};
}

// Besides the connection that listens, the server shows for a moment the one of its first beat.
bool one_is_listening(Session& owner) {
  return owner.value(
             "select count(*) from pg_stat_activity where application_name = 'ringcast listener'"
             " and datname = current_database()") == "1";
}

TEST(Listener, IsWokenByACommit) {
  TestDatabase database;
  auto store = sleeper(database);
  Session app(database.url());
  for (const char* name : {"a", "b", "c"}) {
    fall_asleep(*store);
    app.insert(name);
    EXPECT_THAT(sleep_and_read(*store), ElementsAre(name));
  }
}

TEST(Listener, IsWokenByTheCommitAndNotByTheInsert) {
  TestDatabase database;
  auto store = sleeper(database);
  Session app(database.url());
  fall_asleep(*store);
  app.run("begin");
  app.insert("a");
  EXPECT_FALSE(sleep_once(*store, now() + Millis{50}));
  app.run("commit");
  EXPECT_THAT(sleep_and_read(*store), ElementsAre("a"));
}

// The writer inserts before the reader is armed, so it notifies nobody, and commits afterwards.
TEST(Listener, FindsTheRowOfAWriterThatLookedBeforeItWasArmed) {
  TestDatabase database;
  auto store = sleeper(database);
  Session app(database.url());
  app.run("begin");
  app.insert("a");
  EXPECT_THAT(read_all(*store), IsEmpty());
  std::vector<pollfd> fds;
  store->arm(fds, now());
  app.run("commit");
  EXPECT_THAT(sleep_and_read(*store), ElementsAre("a"));
}

TEST(Listener, WritersNotifyOnlyWhileAReaderIsArmed) {
  TestDatabase database;
  Session app(database.url());
  Session ear(database.url());
  ear.run("listen ringcast_outbox");
  // What was notified before stands in the queue in front of this connection's own notify.
  const auto heard = [&] {
    ear.run("notify ringcast_outbox, 'end'");
    std::size_t count = 0;
    for (const Instant end = now() + kPatience; now() < end;) {
      auto notifications = ear.connection().take_notifications();
      EXPECT_TRUE(notifications);
      for (const Notification& notification : *notifications) {
        if (notification.payload == "end") return count;
        ++count;
      }
      pollfd entry{.fd = ear.connection().socket(), .events = POLLIN, .revents = 0};
      poll(&entry, 1, 1'000);
    }
    return std::size_t{999};
  };
  app.insert("a");
  EXPECT_EQ(heard(), 0U) << "nobody sleeps";
  {
    Listener::Pace pace;
    pace.loaded_within = kNever;
    auto store = sleeper(database, pace);
    EXPECT_THAT(read_all(*store), ElementsAre(testing::_));
    fall_asleep(*store);
    app.insert("b");
    EXPECT_EQ(heard(), 1U);
    // Under load the reader disarms.
    for (int i = 0; i < 20; ++i) {
      app.insert("c");
      auto window = store->next(OutboxStore::Read::record, 100);
      ASSERT_TRUE(window);
    }
    heard();
    app.insert("d");
    EXPECT_EQ(heard(), 0U);
    read_all(*store);
    fall_asleep(*store);
  }
  app.insert("e");
  EXPECT_EQ(heard(), 0U) << "a daemon that stopped has disarmed itself";
  app.run(
      "insert into ringcast.reader (source, node, lease_until, armed)"
      " values ('outbox', 'dead', clock_timestamp() - interval '1 second', true)");
  app.insert("f");
  EXPECT_EQ(heard(), 0U) << "a daemon that died costs nothing after its lease";
}

// How long it would sleep.
Millis rest(OutboxStore& store) {
  std::vector<pollfd> fds;
  const Instant from = now();
  return std::chrono::floor<Millis>(store.arm(fds, from) - from);
}

TEST(Listener, ALookWhileArmedIsEnoughForACommit) {
  TestDatabase database;
  auto store = sleeper(database);
  Session app(database.url());
  fall_asleep(*store);
  app.insert("a");
  ASSERT_TRUE(sleep_once(*store, now() + kPatience));
  auto window = store->next(OutboxStore::Read::record, 100);
  ASSERT_TRUE(window);
  EXPECT_EQ(window->rows.size(), 1U);
  EXPECT_GT(rest(*store), Millis{1'000}) << "the next commit tells";
}

TEST(Listener, UnderLoadItRestsBehindEachLook) {
  TestDatabase database;
  Listener::Pace pace;
  pace.loaded_within = kNever;
  pace.rest_per_look = 10'000'000;
  pace.rest_max = kNever;
  pace.busy_for = kNever;
  auto store = sleeper(database, pace);
  Session app(database.url());
  for (int i = 0; i < 8; ++i) {
    app.insert("a");
    ASSERT_TRUE(store->next(OutboxStore::Read::record, 100));
  }
  EXPECT_GT(rest(*store), Millis{1'000});
  ASSERT_TRUE(store->next(OutboxStore::Read::record, 100));
  EXPECT_LT(rest(*store), Millis{1'000}) << "a look that finds nothing ends the load";
}

TEST(Listener, ConnectsAgainAndLooksOnceWhenItsConnectionIsKilled) {
  TestDatabase database;
  auto store = sleeper(database);
  Session app(database.url());
  fall_asleep(*store);
  app.run(
      "select pg_terminate_backend(pid, 5000) from pg_stat_activity"
      " where application_name = 'ringcast listener' and datname = current_database()");
  app.insert("while it was away");
  EXPECT_THAT(sleep_and_read(*store), ElementsAre("while it was away"));
  fall_asleep(*store);
  for (const Instant end = now() + kPatience; now() < end && !one_is_listening(app);) continue;
  EXPECT_TRUE(one_is_listening(app));
  app.insert("a");
  EXPECT_THAT(sleep_and_read(*store), ElementsAre("a"));
}

// A connection that is dead without a sign: its backend stands still, the socket stays open.
TEST(Listener, ReplacesAConnectionThatStandsStill) {
  TestDatabase database;
  Listener::Pace pace;
  pace.beat_every = Millis{100};
  pace.beat_within = Millis{500};
  auto store = sleeper(database, pace);
  Session app(database.url());
  const auto newest = [&] {
    return app.value(
        "select pid from pg_stat_activity where application_name = 'ringcast listener'"
        " and datname = current_database() order by backend_start desc limit 1");
  };
  const auto sleep_until = [&](const auto& enough) {
    for (const Instant end = now() + kPatience; now() < end && !enough();)
      if (sleep_once(*store, end)) read_all(*store);
    return enough();
  };
  ASSERT_TRUE(sleep_until([&] { return one_is_listening(app); }));
  const std::string first = newest();
  ASSERT_EQ(kill(std::stoi(first), SIGSTOP), 0);
  EXPECT_TRUE(sleep_until([&] { return newest() != first; }));
  EXPECT_EQ(kill(std::stoi(first), SIGCONT), 0);
  app.insert("a");
  EXPECT_THAT(sleep_and_read(*store), ElementsAre("a"));
}

TEST(Listener, PollsWhenNothingCanBeHeard) {
  TestDatabase database;
  auto settings = settings_for(database.url());
  settings.pace.poll_fallback = Millis{20};
  auto store = opened(std::move(settings));
  Session app(database.url());
  // Nobody may write into ringcast.reader any more: the daemon cannot arm.
  app.run("alter table ringcast.reader add constraint nobody check (node = '') not valid");
  app.insert("a");
  EXPECT_THAT(sleep_and_read(*store), ElementsAre("a"));
  app.insert("b");
  EXPECT_THAT(sleep_and_read(*store), ElementsAre("b"));
}

TEST(Listener, AnIdleReaderLooksAtMostFourTimesASecond) {
  TestDatabase database;
  auto store = opened(database.url());
  const Instant settled = now() + Millis{200};
  while (now() < settled)
    if (sleep_once(*store, settled)) read_all(*store);
  int looks = 0;
  const Instant end = now() + Millis{1'000};
  while (now() < end) {
    if (!sleep_once(*store, end)) continue;
    read_all(*store);
    ++looks;
  }
  EXPECT_LE(looks, 5);
  EXPECT_GE(looks, 2);
}

}  // namespace
}  // namespace ringcast::pg
