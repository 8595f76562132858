#include "hub/mesh.hpp"

#include <gtest/gtest.h>

namespace ringcast {
namespace {

class MeshTest : public ::testing::Test {
 protected:
  static constexpr std::uint32_t kMax = 3;

  Mesh make(bool with_source) {
    std::vector<ShardSender> others;
    others.emplace_back();
    others.push_back(mailbox_.open(kMax));
    std::optional<SourceSender> source;
    if (with_source) source = source_.open(1);
    return Mesh({0}, std::move(others), std::move(source), kMax);
  }
  static ShardMail leave(std::string room) { return LeaveMail{std::move(room), {0}}; }

  Wakeup wakeup_;
  Mailbox<ShardMail> mailbox_{wakeup_};
  Mailbox<ShardMail>::Receiver receiver_{mailbox_};
  Wakeup source_wakeup_;
  Mailbox<SourceMail> source_{source_wakeup_};
};

TEST_F(MeshTest, MailToItselfWaitsUnderTheSameLimitAsMailToOthers) {
  Mesh mesh = make(false);
  for (const std::uint32_t shard : {0U, 1U}) {
    EXPECT_EQ(mesh.room_at({shard}), kMax);
    for (std::uint32_t i = 0; i < kMax; ++i) EXPECT_TRUE(mesh.try_send({shard}, leave("r")));
    EXPECT_EQ(mesh.room_at({shard}), 0U);
    ShardMail refused = leave("kept");
    EXPECT_FALSE(mesh.try_send({shard}, std::move(refused)));
    EXPECT_EQ(std::get<LeaveMail>(refused).room, "kept");
  }
}

TEST_F(MeshTest, AnswersGoBeyondTheLimit) {
  Mesh mesh = make(false);
  for (const std::uint32_t shard : {0U, 1U}) {
    for (std::uint32_t i = 0; i < kMax + 2; ++i) mesh.answer({shard}, leave("r"));
    EXPECT_EQ(mesh.room_at({shard}), 0U);
  }
  const auto ignore = [](ShardMail&&) {};
  EXPECT_TRUE(mesh.handle_next_local(ignore));
  EXPECT_EQ(mesh.room_at({0}), 0U);
  for (std::uint32_t i = 0; i < 2; ++i) EXPECT_TRUE(mesh.handle_next_local(ignore));
  EXPECT_EQ(mesh.room_at({0}), 1U);
}

TEST_F(MeshTest, LocalMailComesInItsOrder) {
  Mesh mesh = make(false);
  EXPECT_FALSE(mesh.has_local());
  for (const char* room : {"a", "b", "c"}) mesh.answer({0}, leave(room));
  EXPECT_TRUE(mesh.has_local());
  std::string order;
  const auto handle = [&](ShardMail&& mail) { order += std::get<LeaveMail>(mail).room; };
  while (mesh.handle_next_local(handle)) {
  }
  EXPECT_EQ(order, "abc");
}

TEST_F(MeshTest, WhatIsSentWhileLocalMailIsHandledWaitsBehindIt) {
  Mesh mesh = make(false);
  for (std::uint32_t i = 0; i < kMax; ++i) mesh.answer({0}, leave("first"));
  EXPECT_TRUE(mesh.handle_next_local([&](ShardMail&& mail) {
    EXPECT_EQ(mesh.room_at({0}), 1U) << "what is being handled takes no place";
    for (int i = 0; i < 200; ++i) mesh.answer({0}, leave("later"));
    EXPECT_EQ(std::get<LeaveMail>(mail).room, "first") << "it stays where it is";
  }));
  std::size_t left = 0;
  while (mesh.handle_next_local([&](ShardMail&&) { ++left; })) {
  }
  EXPECT_EQ(left, kMax - 1 + 200);
}

TEST_F(MeshTest, WakesWhomSomethingWasSentToAndNobodyElse) {
  Mesh mesh = make(true);
  wakeup_.park();
  source_wakeup_.park();
  mesh.wake_touched();
  ASSERT_TRUE(mesh.try_send({1}, leave("r")));
  mesh.wake_touched();
  EXPECT_FALSE(wakeup_.wake()) << "it was woken already";
  EXPECT_TRUE(source_wakeup_.wake()) << "nothing was sent to the source";
  source_wakeup_.park();
  wakeup_.park();
  ASSERT_TRUE(mesh.try_send_source(ReadNowMail{}));
  mesh.wake_touched();
  EXPECT_FALSE(source_wakeup_.wake());
  EXPECT_TRUE(wakeup_.wake()) << "a wake is owed once";
}

TEST_F(MeshTest, ASourceThatIsFullOrMissingTakesNothing) {
  Mesh none = make(false);
  EXPECT_FALSE(none.has_source());
  EXPECT_FALSE(none.try_send_source(ReadNowMail{}));
  Mesh mesh = make(true);
  EXPECT_TRUE(mesh.try_send_source(ReadNowMail{}));
  EXPECT_FALSE(mesh.try_send_source(ReadNowMail{}));
}

}  // namespace
}  // namespace ringcast
