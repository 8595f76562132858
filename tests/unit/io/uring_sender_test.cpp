#include "io/uring_sender.hpp"

#include "io/uring_probe.hpp"
#include "unit/io/ring_fixture.hpp"

namespace ringcast::io {

// Both ways of learning of a short send; which one a ring uses depends on the kernel.
class UringSenderTest : public ::testing::TestWithParam<UringSender::Successes> {
 protected:
  void SetUp() override {
    auto made = UringQueue::create({});
    if (!made) GTEST_SKIP() << "the kernel refuses io_uring: " << made.error().detail;
    queue = std::move(made).value();
  }
  std::unique_ptr<UringQueue> queue;
};
INSTANTIATE_TEST_SUITE_P(, UringSenderTest,
                         ::testing::Values(UringSender::Successes::silent,
                                           UringSender::Successes::reported),
                         [](const auto& test) {
                           return test.param == UringSender::Successes::silent ? "silent"
                                                                               : "reported";
                         });

TEST_P(UringSenderTest, ReportsExactlyTheSendsThatWereNotWhole) {
  UringSender sender(*queue, GetParam());
  std::vector<Ends> all(3 * UringSender::kSliceMax + 1);
  const std::string body = pattern(20'000);
  for (std::uint32_t i = 0; i < all.size(); ++i) {
    all[i] = socket_pair();
    constexpr int kSmall = 4'096;
    if (i % 10 == 0) {
      ASSERT_EQ(::setsockopt(all[i].near.get(), SOL_SOCKET, SO_SNDBUF, &kSmall, sizeof kSmall), 0);
    }
    sender.add({i, 1}, all[i].near.get(), view(body));
  }
  std::map<std::uint32_t, std::size_t> reported;
  for (const SendResult& result : sender.flush()) reported[result.socket.index] = result.sent;
  for (std::uint32_t i = 0; i < all.size(); ++i) {
    ASSERT_EQ(reported.contains(i), i % 10 == 0) << i;
    const std::string arrived = read_available(all[i].far.get());
    ASSERT_EQ(arrived, reported.contains(i) ? body.substr(0, reported[i]) : body) << i;
  }
  EXPECT_FALSE(queue->has_completions()) << "every completion was for this flush";
}

TEST_P(UringSenderTest, LeavesOtherCompletionsForLater) {
  UringSender sender(*queue, GetParam());
  io_uring_sqe& entry = queue->next_entry();
  io_uring_prep_nop(&entry);
  constexpr OperationTag kOther{Operation::probe, {5, 6}};
  entry.user_data = kOther.pack();
  Ends ends = socket_pair();
  sender.add({1, 1}, ends.near.get(), view("bytes"));
  EXPECT_TRUE(sender.flush().empty());
  const auto kept = queue->take(10);
  ASSERT_EQ(kept.size(), 1U);
  EXPECT_EQ(kept[0].tag.pack(), kOther.pack());
}

TEST(UringProbe, FindsSilentSendsOnKernelsThatReportShortOnes) {
  auto queue = UringQueue::create({});
  if (!queue) GTEST_SKIP() << "the kernel refuses io_uring: " << queue.error().detail;
  BufferRing buffers{RingOptions{}};
  ASSERT_TRUE(buffers.attach((*queue)->raw()).ok());
  const auto abilities = probe_uring(**queue, buffers);
  ASSERT_TRUE(abilities.ok()) << abilities.error().detail;
  EXPECT_FALSE((*queue)->has_completions()) << "the queue is idle again";
}

TEST(OperationTag, SurvivesTheWayThroughTheKernel) {
  for (const OperationTag tag :
       {OperationTag{Operation::cancel, {0, 0}}, OperationTag{Operation::receive, {1, UINT32_MAX}},
        OperationTag{Operation::probe, {OperationTag::kIndexMax, 7}}}) {
    const auto back = OperationTag::unpack(tag.pack());
    EXPECT_EQ(back.operation, tag.operation);
    EXPECT_EQ(back.subject, tag.subject);
  }
}

}  // namespace ringcast::io
