#include "store/sqlite_watch.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

namespace ringcast {

namespace {

class SqliteWatchTest : public testing::Test {
 protected:
  SqliteWatchTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "ringcast-XXXXXX").string();
    EXPECT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    watch_ = std::make_unique<SqliteWatch>(folder_.string(), "app.db", kPoll, t0_);
  }
  ~SqliteWatchTest() override { std::filesystem::remove_all(folder_); }

  void touch(const char* name) { std::ofstream(folder_ / name, std::ios::app) << 'x'; }

  // Polls without waiting: what touch() did is readable by then.
  bool due(Instant now) {
    std::vector<pollfd> fds;
    watch_->arm(fds);
    ::poll(fds.data(), fds.size(), 0);
    return watch_->due(fds, now);
  }
  Instant next() {
    std::vector<pollfd> fds;
    return watch_->arm(fds);
  }

  static constexpr Nanos kPoll = std::chrono::seconds{1};
  const Instant t0_{std::chrono::seconds{1'000}};
  std::filesystem::path folder_;
  std::unique_ptr<SqliteWatch> watch_;
};

TEST_F(SqliteWatchTest, LooksOnceAPollIntervalWhenNothingHappens) {
  EXPECT_EQ(next(), t0_ + kPoll);
  EXPECT_FALSE(due(t0_ + kPoll - Nanos{1}));
  EXPECT_TRUE(due(t0_ + kPoll));
  EXPECT_EQ(next(), t0_ + 2 * kPoll);
}

TEST_F(SqliteWatchTest, AnEventStartsABurstOfLooks) {
  touch("app.db-wal");
  EXPECT_FALSE(due(t0_));
  for (const Nanos look : SqliteWatch::kLooks) {
    EXPECT_EQ(next(), t0_ + look);
    EXPECT_FALSE(due(t0_ + look - Nanos{1}));
    EXPECT_TRUE(due(t0_ + look));
  }
  EXPECT_EQ(next(), t0_ + kPoll);
}

TEST_F(SqliteWatchTest, AnotherEventStartsTheBurstAnew) {
  touch("app.db-wal");
  due(t0_);
  EXPECT_TRUE(due(t0_ + Millis{3}));
  touch("app.db-wal");
  due(t0_ + Millis{5});
  EXPECT_EQ(next(), t0_ + Millis{5} + SqliteWatch::kLooks.front());
}

TEST_F(SqliteWatchTest, ALateLookStandsForAllThatItMissed) {
  touch("app.db");
  due(t0_);
  EXPECT_TRUE(due(t0_ + Millis{200}));
  EXPECT_EQ(next(), t0_ + kPoll);
}

TEST_F(SqliteWatchTest, OnlyTheDatabasesFilesCount) {
  for (const char* name : {"app.dbx", "other.db", "app.d", "zapp.db-wal"}) {
    touch(name);
    due(t0_);
    EXPECT_EQ(next(), t0_ + kPoll) << name;
  }
  for (const char* name : {"app.db", "app.db-wal", "app.db-shm", "app.db-journal"}) {
    touch(name);
    due(t0_);
    EXPECT_EQ(next(), t0_ + SqliteWatch::kLooks.front()) << name;
    due(t0_ + Millis{200});
  }
}

TEST_F(SqliteWatchTest, RemovingAndMovingInAreEvents) {
  touch("app.db");
  touch("backup");
  due(t0_);
  due(t0_ + Millis{200});
  std::filesystem::rename(folder_ / "backup", folder_ / "app.db");
  due(t0_ + Millis{300});
  EXPECT_EQ(next(), t0_ + Millis{300} + SqliteWatch::kLooks.front());
  due(t0_ + Millis{500});
  std::filesystem::remove(folder_ / "app.db");
  due(t0_ + Millis{600});
  EXPECT_EQ(next(), t0_ + Millis{600} + SqliteWatch::kLooks.front());
}

TEST(SqliteWatchWithoutInotify, PollsOnly) {
  const Instant t0{std::chrono::seconds{1'000}};
  SqliteWatch watch("/nowhere/at/all", "app.db", std::chrono::seconds{1}, t0);
  std::vector<pollfd> fds;
  EXPECT_EQ(watch.arm(fds), t0 + std::chrono::seconds{1});
  EXPECT_TRUE(fds.empty());
  EXPECT_TRUE(watch.due(fds, t0 + std::chrono::seconds{1}));
}

}  // namespace

}  // namespace ringcast
