#include "base/log.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

namespace ringcast {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

// What write() puts on standard error, without the time in front.
std::string written(log::Format format, std::string_view text) {
  log::configure(log::Level::debug, format);
  ::testing::internal::CaptureStderr();
  log::write(log::Level::warning, text);
  std::string line = ::testing::internal::GetCapturedStderr();
  log::configure(log::Level::info, log::Format::human);
  return line;
}

TEST(Log, WritesOneLineForAnEvent) {
  EXPECT_THAT(written(log::Format::human, "hello"), EndsWith(" warning hello\n"));
  EXPECT_THAT(written(log::Format::json, "hello"),
              EndsWith(R"(,"level":"warning","message":"hello"})"
                       "\n"));
}

struct Case {
  std::string_view text;
  std::string_view human;
  std::string_view json;
};
constexpr Case kCases[] = {
    {"a\nb", "a\\u000ab", "a\\u000ab"},
    {"a\r\nb", "a\\u000d\\u000ab", "a\\u000d\\u000ab"},
    {"\x1b[31m", "\\u001b[31m", "\\u001b[31m"},
    {"\x7f", "\\u007f", "\\u007f"},
    {std::string_view("a\0b", 3), "a\\u0000b", "a\\u0000b"},
    {"\"quoted\" \\", "\"quoted\" \\", "\\\"quoted\\\" \\\\"},
    {"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80",
     "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"},
    // C1: U+009B begins a command of terminals as ESC [ does.
    {"\xc2\x9b\x33\x31m", "\\u009b31m", "\\u009b31m"},
    {"\xc2\x80\xc2\x9f\xc2\xa0", "\\u0080\\u009f\xc2\xa0", "\\u0080\\u009f\xc2\xa0"},
    // What is no UTF-8 would make the whole JSON line unreadable.
    {"a\xff\x62", "a\\ufffdb", "a\\ufffdb"},
    {"\x9b", "\\ufffd", "\\ufffd"},
    {"\xc3", "\\ufffd", "\\ufffd"},
    {"\xc0\x8a", "\\ufffd\\ufffd", "\\ufffd\\ufffd"},
    {"\xed\xa0\x80", "\\ufffd\\ufffd\\ufffd", "\\ufffd\\ufffd\\ufffd"},
    {"\xf4\x90\x80\x80", "\\ufffd\\ufffd\\ufffd\\ufffd", "\\ufffd\\ufffd\\ufffd\\ufffd"},
    {"\xe2\x82", "\\ufffd\\ufffd", "\\ufffd\\ufffd"},
};

TEST(Log, EscapesWhatCouldForgeALine) {
  for (const auto& [text, human, json] : kCases) {
    EXPECT_THAT(written(log::Format::human, text), EndsWith(" " + std::string(human) + "\n"));
    EXPECT_THAT(written(log::Format::json, text), EndsWith("\"" + std::string(json) + "\"}\n"));
  }
}

TEST(Log, WritesNothingBelowItsLevel) {
  log::configure(log::Level::warning, log::Format::human);
  EXPECT_FALSE(log::enabled(log::Level::info));
  EXPECT_TRUE(log::enabled(log::Level::error));
  ::testing::internal::CaptureStderr();
  log::info("not {}", "this");
  log::error("but {}", "that");
  const std::string text = ::testing::internal::GetCapturedStderr();
  log::configure(log::Level::info, log::Format::human);
  EXPECT_THAT(text, Not(HasSubstr("not this")));
  EXPECT_THAT(text, HasSubstr("but that"));
}

TEST(Log, IsForMachinesWhereStandardErrorIsNoTerminal) {
  EXPECT_TRUE(written(log::Format::automatic, "to a file").starts_with(R"({"time":")"));
}

TEST(Log, IsForPeopleOnATerminal) {
  int near = -1;
  int far = -1;
  ASSERT_EQ(::openpty(&near, &far, nullptr, nullptr, nullptr), 0);
  const int saved = ::dup(STDERR_FILENO);
  ::dup2(far, STDERR_FILENO);
  log::configure(log::Level::info, log::Format::automatic);
  log::info("to a terminal");
  ::dup2(saved, STDERR_FILENO);
  log::configure(log::Level::info, log::Format::human);
  char text[256] = {};
  EXPECT_GT(::read(near, text, sizeof text - 1), 0);
  EXPECT_THAT(text, HasSubstr("to a terminal"));
  EXPECT_THAT(text, Not(HasSubstr("{")));
  for (const int fd : {near, far, saved}) ::close(fd);
}

TEST(Log, GoesToTheNewestRedirectAndBackToStandardErrorBehindTheLast) {
  std::vector<std::string> first, second;
  const auto into = [](std::vector<std::string>& lines) {
    return [&lines](log::Level level, std::string_view text) {
      lines.push_back(fmt::format("{} {}", static_cast<int>(level), text));
    };
  };
  ::testing::internal::CaptureStderr();
  {
    const log::Redirect outer(into(first));
    log::warning("a\nb");
    {
      const log::Redirect inner(into(second));
      log::error("c");
    }
    log::info("d");
    log::debug("not shown");
  }
  log::info("e");
  const std::string text = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(first, (std::vector<std::string>{"2 a\\u000ab", "1 d"}));
  EXPECT_EQ(second, (std::vector<std::string>{"3 c"}));
  EXPECT_THAT(text, EndsWith("e\n"));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
}

// The test can not choose the second it runs in, so it counts those that begin meanwhile.
TEST(Limiter, LetsThroughAtMostItsNumberInASecond) {
  const auto second = [] {
    return std::chrono::duration_cast<std::chrono::seconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
  };
  for (const int per_second_max : {1, 3}) {
    log::Limiter limiter(per_second_max);
    const auto from = second();
    int allowed = 0;
    for (int i = 0; i < 10'000; ++i) allowed += limiter.allow() ? 1 : 0;
    const auto seconds = static_cast<int>(second() - from) + 1;
    EXPECT_GE(allowed, per_second_max);
    EXPECT_LE(allowed, per_second_max * seconds);
    EXPECT_EQ(limiter.take_suppressed(), static_cast<std::uint64_t>(10'000 - allowed));
    EXPECT_EQ(limiter.take_suppressed(), 0U);
  }
}

TEST(Limiter, SaysHowManyLinesItHeldBack) {
  log::configure(log::Level::debug, log::Format::human);
  log::Limiter limiter(1);
  // Held back within one second, then asked until the next one has begun.
  while (limiter.allow()) continue;
  ::testing::internal::CaptureStderr();
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  std::string text;
  while (text.empty() && std::chrono::steady_clock::now() < deadline) {
    for (int i = 0; i < 1'000; ++i) log::warning(limiter, "line {}", i);
    text = ::testing::internal::GetCapturedStderr();
    ::testing::internal::CaptureStderr();
  }
  static_cast<void>(::testing::internal::GetCapturedStderr());
  log::configure(log::Level::info, log::Format::human);
  EXPECT_THAT(text, HasSubstr("like it, not shown)"));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
}

}  // namespace
}  // namespace ringcast
