#include "hub/breakers.hpp"

#include <gtest/gtest.h>

namespace ringcast {
namespace {

using std::chrono::seconds;
using Pass = Breakers::Pass;

class BreakersTest : public testing::Test {
 protected:
  BreakersTest() : handlers_(2) {
    AppConfig config;
    config.crashes_per_minute_max = 3;
    config.crash_pause_s = 10;
    breakers_.emplace(config, handlers_);
  }
  void crash(int times = 1, std::size_t handler = 0) {
    for (int i = 0; i < times; ++i) {
      ASSERT_EQ(breakers_->ask(handler, now_), Pass::yes) << "crash " << i;
      breakers_->ended(handler, false, true, now_);
    }
  }
  Pass ask(std::size_t handler = 0) { return breakers_->ask(handler, now_); }
  void ended(bool crashed) { breakers_->ended(0, true, crashed, now_); }
  void after(seconds time) {
    now_ += time;
    breakers_->run(now_);
  }

  std::deque<HandlerMetrics> handlers_;
  std::optional<Breakers> breakers_;
  Instant now_ = Instant() + seconds(1'000);
};

TEST_F(BreakersTest, SoManyCrashesInAMinuteAndOneMoreOpensIt) {
  crash(3);
  EXPECT_EQ(handlers_[0].broken.value(), 0U);
  crash();
  EXPECT_EQ(ask(), Pass::no);
  EXPECT_EQ(handlers_[0].broken.value(), 1U);
  EXPECT_EQ(ask(1), Pass::yes) << "each handler has its own";
  EXPECT_EQ(handlers_[1].broken.value(), 0U);
}

TEST_F(BreakersTest, CrashesOfAnyMinuteCount) {
  crash(2);
  after(seconds(59));
  crash();
  after(seconds(1));
  crash(2);  // those of the beginning are a minute old
  EXPECT_EQ(ask(), Pass::yes);
  crash();
  EXPECT_EQ(ask(), Pass::no);
}

TEST_F(BreakersTest, WhatDoesNotCrashOpensNothing) {
  for (int i = 0; i < 100; ++i) breakers_->ended(0, false, false, now_);
  EXPECT_EQ(ask(), Pass::yes);
}

TEST_F(BreakersTest, ThePauseEndsByItselfAndOneCallIsTried) {
  crash(4);
  EXPECT_EQ(breakers_->next_end(), now_ + seconds(10));
  after(seconds(9));
  EXPECT_EQ(ask(), Pass::no);
  EXPECT_EQ(handlers_[0].broken.value(), 1U);
  after(seconds(1));
  EXPECT_EQ(handlers_[0].broken.value(), 0U) << "without traffic nobody could try it";
  EXPECT_FALSE(breakers_->next_end());
  EXPECT_EQ(ask(), Pass::trial);
  EXPECT_EQ(ask(), Pass::no) << "one at a time";
}

TEST_F(BreakersTest, ATrialThatCrashesOpensItAgain) {
  crash(4);
  after(seconds(10));
  ASSERT_EQ(ask(), Pass::trial);
  ended(true);
  EXPECT_EQ(ask(), Pass::no);
  EXPECT_EQ(handlers_[0].broken.value(), 1U);
  EXPECT_EQ(breakers_->next_end(), now_ + seconds(10));
}

TEST_F(BreakersTest, ATrialThatDoesNotClosesItAndCrashesCountAnew) {
  crash(4);
  after(seconds(10));
  ASSERT_EQ(ask(), Pass::trial);
  ended(false);
  crash(3);
  EXPECT_EQ(ask(), Pass::yes);
  crash();
  EXPECT_EQ(ask(), Pass::no);
}

TEST_F(BreakersTest, ATrialThatWasNotHandedOverLeavesItsPlace) {
  crash(4);
  after(seconds(10));
  ASSERT_EQ(ask(), Pass::trial);
  breakers_->withdraw(0);
  EXPECT_EQ(ask(), Pass::trial);
}

TEST_F(BreakersTest, WhatWasCalledBeforeItOpenedChangesNothing) {
  crash(4);
  const auto until = breakers_->next_end();
  after(seconds(5));
  breakers_->ended(0, false, true, now_);
  breakers_->ended(0, false, false, now_);
  EXPECT_EQ(ask(), Pass::no);
  EXPECT_EQ(breakers_->next_end(), until);
}

TEST_F(BreakersTest, PausesOfTwoHandlersEndEachAtItsTime) {
  crash(4, 0);
  after(seconds(4));
  crash(4, 1);
  after(seconds(6));
  EXPECT_EQ(handlers_[0].broken.value(), 0U);
  EXPECT_EQ(handlers_[1].broken.value(), 1U);
  EXPECT_EQ(breakers_->next_end(), now_ + seconds(4));
}

TEST_F(BreakersTest, WithoutALimitNothingOpens) {
  Breakers none(AppConfig(), handlers_);
  for (int i = 0; i < 20'000; ++i) none.ended(0, false, true, now_);
  EXPECT_EQ(none.ask(0, now_), Pass::yes);
}

}  // namespace
}  // namespace ringcast
