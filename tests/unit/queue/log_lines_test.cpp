#include "queue/log_lines.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>

#include <thread>

namespace ringcast {
namespace {

using ::testing::HasSubstr;

bool readable(int fd) {
  pollfd wait{fd, POLLIN, 0};
  return ::poll(&wait, 1, 0) == 1;
}

TEST(LogLines, BringWhatIsWrittenInItsOrderAndLevel) {
  LogLines lines(8);
  EXPECT_FALSE(readable(lines.fd()));
  log::warning("a {}", 1);
  log::error("b");
  EXPECT_TRUE(readable(lines.fd()));
  const auto taken = lines.take(8);
  ASSERT_EQ(taken.size(), 2U);
  EXPECT_EQ(taken[0].text, "a 1");
  EXPECT_EQ(taken[0].level, log::Level::warning);
  EXPECT_EQ(taken[1].level, log::Level::error);
  EXPECT_FALSE(readable(lines.fd()));
  log::warning("c");
  EXPECT_TRUE(readable(lines.fd()));
}

TEST(LogLines, AreTakenSoManyAtATime) {
  LogLines lines(8);
  for (int i = 0; i < 5; ++i) log::warning("{}", i);
  EXPECT_EQ(lines.take(2).size(), 2U);
  EXPECT_EQ(lines.take(2).size(), 2U);
  const auto last = lines.take(2);
  ASSERT_EQ(last.size(), 1U);
  EXPECT_EQ(last[0].text, "4");
}

TEST(LogLines, BeyondTheirLimitAreLostAndCounted) {
  LogLines lines(4);
  for (int i = 0; i < 4; ++i) log::warning("{}", i);
  EXPECT_EQ(lines.take(8).size(), 4U) << "nothing is lost at the limit";
  for (int i = 0; i < 7; ++i) log::warning("{}", i);
  const auto taken = lines.take(8);
  ASSERT_EQ(taken.size(), 5U);
  EXPECT_EQ(taken[3].text, "3");
  EXPECT_THAT(taken[4].text, HasSubstr("3 lines of the log were lost"));
  EXPECT_TRUE(lines.take(8).empty()) << "they are told once";
}

TEST(LogLines, ComeFromAnyThreadAndEachIsThereOrCounted) {
  LogLines lines(64);
  constexpr int kThreads = 4, kLines = 2'000;
  std::vector<std::thread> writers;
  for (int t = 0; t < kThreads; ++t)
    writers.emplace_back([] {
      for (int i = 0; i < kLines; ++i) log::warning("line");
    });
  std::uint64_t seen = 0;
  const auto count = [&](const std::vector<LogLine>& taken) {
    for (const LogLine& line : taken) seen += line.text == "line" ? 1 : std::stoull(line.text);
  };
  while (seen < kThreads * kLines) {
    pollfd wait{lines.fd(), POLLIN, 0};
    ASSERT_EQ(::poll(&wait, 1, 30'000), 1) << seen;
    auto taken = lines.take(16);
    for (; taken.size() >= 16; taken = lines.take(16)) count(taken);
    count(taken);
  }
  for (std::thread& writer : writers) writer.join();
  EXPECT_EQ(seen, std::uint64_t{kThreads * kLines});
}

}  // namespace
}  // namespace ringcast
