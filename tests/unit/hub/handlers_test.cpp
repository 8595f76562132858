#include "hub/handlers.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <set>

namespace ringcast {
namespace {

using std::chrono::seconds;

TEST(Handlers, AreFoundByTheWholeNameOfTheirEvent) {
  Handlers handlers;
  const auto send = handlers.add_call("message:send", RateLimit::sliding(10, seconds(10)));
  const auto start = handlers.add_call("typing:start");
  ASSERT_TRUE(send.ok() && start.ok());
  EXPECT_EQ(handlers.find_call("message:send"), *send);
  EXPECT_EQ(handlers.find_call("typing:start"), *start);
  for (const std::string_view name :
       {"", "message", "message:send2", "Message:send", "typing:stop"})
    EXPECT_FALSE(handlers.find_call(name)) << name;
  EXPECT_EQ(handlers.row(*send).per_connection.calls_max, 10U);
  EXPECT_EQ(handlers.row(*start).per_connection.kind, RateLimit::Kind::none);
}

TEST(Handlers, RefuseWhatCanNotBeMeant) {
  Handlers handlers;
  ASSERT_TRUE(handlers.add_call("a").ok());
  EXPECT_EQ(handlers.add_call("a").error().code, Errc::conflict);
  EXPECT_EQ(handlers.add_call("").error().code, Errc::validation);
  EXPECT_EQ(handlers.add_call(std::string(129, 'e')).error().code, Errc::validation);
  EXPECT_EQ(handlers.add_call("b", RateLimit::bucket(0, seconds(1))).error().code,
            Errc::validation);
  ASSERT_TRUE(handlers.add_hook(HookKind::connect).ok());
  EXPECT_EQ(handlers.add_hook(HookKind::connect).error().code, Errc::conflict);
  EXPECT_EQ(handlers.add_authorize("chat*").error().code, Errc::validation);
  ASSERT_TRUE(handlers.add_authorize("chat:*").ok());
  EXPECT_EQ(handlers.add_authorize("chat:*").error().code, Errc::conflict);
  EXPECT_EQ(handlers.size(), 3U) << "what is refused is not there";
}

TEST(Handlers, AreAtMostSoMany) {
  Handlers handlers;
  for (std::size_t i = 0; i < Handlers::kHandlersMax; ++i)
    ASSERT_TRUE(handlers.add_call(fmt::format("event{}", i)).ok());
  EXPECT_FALSE(handlers.add_call("one more").ok());
  for (std::size_t i = 0; i < Handlers::kHandlersMax; ++i)
    EXPECT_EQ(handlers.find_call(fmt::format("event{}", i))->value, i);
}

TEST(Handlers, TheFirstPatternThatIncludesARoomJudgesIt) {
  Handlers handlers;
  const auto one = handlers.add_authorize("chat:1");
  const auto all = handlers.add_authorize("chat:*");
  EXPECT_EQ(handlers.find_authorize("chat:1"), *one);
  EXPECT_EQ(handlers.find_authorize("chat:2"), *all);
  EXPECT_FALSE(handlers.find_authorize("chat"));
  EXPECT_FALSE(handlers.find_authorize("other:1"));
}

TEST(Handlers, AUserIsAlwaysAnsweredByTheSamePort) {
  Handlers handlers;
  handlers.answered_by({4}, 3);
  std::set<std::uint32_t> ports;
  for (std::uint32_t i = 0; i < 100; ++i) {
    const std::string user = fmt::format("user{}", i);
    const ShardIndex port = handlers.port_of(user, {{0}, {i, 1}});
    EXPECT_EQ(port, handlers.port_of(user, {{3}, {i + 7, 9}})) << "on all of its devices";
    ports.insert(port.value);
    EXPECT_EQ(handlers.port_of("", {{1}, {i, 1}}), handlers.port_of("", {{1}, {i, 1}}));
  }
  EXPECT_EQ(ports, (std::set<std::uint32_t>{4, 5, 6}));
}

}  // namespace
}  // namespace ringcast
