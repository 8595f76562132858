// What tests from outside do not reach: limits of memory and of time, and how connections end.
#include "net/connections.hpp"

#include <algorithm>

#include "unit/net/connections_fixture.hpp"

namespace ringcast {
namespace {

using std::chrono::seconds;

INSTANTIATE_TEST_SUITE_P(Backends, ConnectionsTest,
                         ::testing::Values(io::Backend::io_uring, io::Backend::epoll),
                         [](const auto& test) { return std::string(backend_name(test.param)); });

std::size_t count_of(std::string_view text, std::string_view what) {
  std::size_t count = 0;
  for (std::size_t at = 0; (at = text.find(what, at)) != std::string_view::npos; ++at) ++count;
  return count;
}

TEST_P(ConnectionsTest, PipelinedRequestsAreAnsweredInOrder) {
  start(config());
  const auto client = connect();
  const std::string get = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
  write(client, get + publish_request("room:1") + get);
  settle();
  const std::string answer = read(client);
  EXPECT_EQ(count_of(answer, "HTTP/1.1 200"), 3U) << answer;
  const auto published = answer.find(R"("offset":1)");
  EXPECT_NE(published, std::string::npos);
  EXPECT_LT(answer.find("status"), published);
  EXPECT_GT(answer.rfind("status"), published);
}

TEST_P(ConnectionsTest, ConnectionsMaxHoldsOnBothSides) {
  Config limited = config();
  limited.listen.connections_max = 2;
  start(std::move(limited));
  const auto first = connect();
  const auto second = connect();
  settle();
  EXPECT_EQ(connections_->size(), 2U);
  const auto third = connect();
  settle();
  EXPECT_TRUE(is_closed(third));
  EXPECT_FALSE(is_closed(first));
  EXPECT_FALSE(is_closed(second));
  EXPECT_EQ(metrics_.refused_at_connections_max.value(), 1U);
}

TEST_P(ConnectionsTest, ARequestThatDoesNotComeEndsAtHeaderTimeoutAndNotBefore) {
  start(config());
  const auto client = connect();
  write(client, "GET /hea");
  settle();
  advance(seconds(10) - Millis(1));
  EXPECT_EQ(read(client), "");
  write(client, "l");  // an octet now and then gains nothing
  settle();
  advance(Millis(1));
  EXPECT_TRUE(read(client).starts_with("HTTP/1.1 408"));
  EXPECT_TRUE(is_closed(client));
}

TEST_P(ConnectionsTest, ABodyThatDoesNotComeEndsAtBodyTimeoutAndNotBefore) {
  start(config());
  const auto client = connect();
  write(client, publish_request("room:1").substr(0, publish_request("room:1").size() - 3));
  settle();
  advance(seconds(30) - Millis(1));
  EXPECT_EQ(read(client), "");
  advance(Millis(1));
  EXPECT_TRUE(read(client).starts_with("HTTP/1.1 408"));
}

TEST_P(ConnectionsTest, AnIdleConnectionEndsAtIdleTimeoutAndNotBefore) {
  start(config());
  const auto client = connect();
  write(client, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
  settle();
  read(client);
  advance(seconds(60) - Millis(1));
  EXPECT_FALSE(is_closed(client));
  advance(Millis(1));
  EXPECT_TRUE(is_closed(client));
}

TEST_P(ConnectionsTest, ARequestThatTheStoreHasIsWaitedFor) {
  start(config());
  const auto client = connect();
  write(client, publish_request("tenant:1"));
  settle();
  ReplyTo asker;
  source_.drain(10, [&](SourceMail&& mail) {
    asker = std::get<AppendMail>(mail).reply_to;
    return true;
  });
  advance(seconds(3'600));
  EXPECT_FALSE(is_closed(client));
  EXPECT_TRUE(hub_->handle(PublishedMail{asker, "tenant:1", Appended{}}, clock_.now()));
  settle();
  EXPECT_TRUE(read(client).starts_with("HTTP/1.1 200"));
  advance(seconds(60));
  EXPECT_TRUE(is_closed(client)) << "the idle time begins with the answer";
}

TEST_P(ConnectionsTest, RequestsThatFillSeveralReceivesAreReadInTheirOrder) {
  start(config());
  const auto client = connect();
  std::string all;
  for (int i = 0; i < 64; ++i) {
    all += publish_request("room:1");
    all +=
        "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Pad: " + std::string(200, 'x') + "\r\n\r\n";
  }
  ASSERT_GT(all.size(), 3 * 4'096U) << "more than one receive";
  write(client, all);
  ::shutdown(client.get(), SHUT_WR);  // it still reads
  std::string answers;
  for (int i = 0; i < 40; ++i) {
    settle();
    answers += read(client);
  }
  std::size_t good = 0;
  for (std::size_t at = 0; (at = answers.find("HTTP/1.1 ", at)) != std::string::npos; ++at, ++good)
    ASSERT_EQ(answers.substr(at, 12), "HTTP/1.1 200");
  EXPECT_EQ(good, 128U);
}

TEST_P(ConnectionsTest, AQuietWebSocketIsPingedAndEndedWithoutAnAnswer) {
  start(config());
  const auto client = connect_websocket();
  advance(seconds(25) - Millis(1));
  EXPECT_EQ(read(client), "");
  advance(Millis(1));
  EXPECT_EQ(read(client), std::string("\x89\0", 2));
  write(client, wire::client_frame(0x8a, ""));
  settle();
  advance(seconds(25));
  EXPECT_EQ(read(client), std::string("\x89\0", 2));
  advance(seconds(10) - Millis(1));
  EXPECT_EQ(read(client), "");
  advance(Millis(1));
  EXPECT_EQ(static_cast<unsigned char>(read(client).at(0)), 0x88) << "a close frame";
  EXPECT_TRUE(is_closed(client));
}

TEST_P(ConnectionsTest, ErrorsMaxAreAnsweredAndOneMoreEnds) {
  Config limited = config();
  limited.limits.errors_max = 3;
  start(std::move(limited));
  const auto client = connect_websocket();
  for (int i = 0; i < 3; ++i) write_text(client, "{}");
  settle();
  EXPECT_EQ(count_of(read(client), "VALIDATION_ERROR"), 3U);
  EXPECT_FALSE(is_closed(client));
  write_text(client, "{}");
  settle();
  EXPECT_TRUE(is_closed(client));
}

// A client that reads nothing, until its socket is full.
class BlockedConnections : public ConnectionsTest {
 protected:
  void publish(std::size_t bytes, std::string_view room = "room:1") {
    PublishAsk ask;
    ask.room = room;
    ask.type = "t";
    ask.data = std::make_shared<const std::string>("\"" + std::string(bytes, 'x') + "\"");
    std::ignore =
        hub_->publish(publisher_, 1, std::move(ask), clock_.wall(), Hub::Authority::server);
    settle();
  }
  void start(Config config) {
    config.namespaces.back().send_queue_bytes_max = 64ULL << 20;
    ConnectionsTest::start(std::move(config));
    hub_->open(publisher_);
  }
  void TearDown() override {
    connections_.reset();
    hub_->close(publisher_);
  }

 private:
  class NobodyListens final : public Peer {
    void subscribed(Session&, std::uint64_t, const SubscribedMail&) override {}
    void published(Session&, std::uint64_t, const PublishedMail&) override {}
    void presence_list(Session&, std::uint64_t, const PresenceListMail&) override {}
    void read_now(Session&, std::uint64_t, const ReadNowAnswerMail&) override {}
    void admin_answer(Session&, std::uint64_t, const AdminAnswerMail&) override {}
    void call_answered(Session&, std::uint64_t, const CallResult&, const Uuid&) override {}
    void hook_answered(Session&, std::uint64_t, HookKind,
                       const Result<std::shared_ptr<const Identity>>&) override {}
    void unsubscribed(Session&, std::string_view, std::string_view) override {}
  };
  NobodyListens nobody_;
  Session publisher_{ConnectionId{{0}, {1'000'000, 1}}, Encoding::native, nobody_};
};

INSTANTIATE_TEST_SUITE_P(Backends, BlockedConnections,
                         ::testing::Values(io::Backend::io_uring, io::Backend::epoll),
                         [](const auto& test) { return std::string(backend_name(test.param)); });

TEST_P(BlockedConnections, GetsEverythingOnceItReadsAgain) {
  start(config());
  const auto client = connect_websocket();
  subscribe(client, "room:1");
  for (int i = 0; i < 40; ++i) publish(20'000);
  EXPECT_GT(metrics_.short_sends.value(), 0U) << "this test is about a full socket";
  std::string got;
  for (int i = 0; i < 200; ++i) {
    got += read(client);
    settle();
  }
  EXPECT_EQ(count_of(got, R"("offset":)"), 40U);
  EXPECT_EQ(connections_->pinned_bytes(), 0U);
}

TEST_P(BlockedConnections, EndsAtWriteStallAndNotBefore) {
  Config quiet = config();
  quiet.limits.ping_interval_s = 600;
  start(std::move(quiet));
  const auto client = connect_websocket();
  subscribe(client, "room:1");
  for (int i = 0; i < 40; ++i) publish(20'000);
  ASSERT_EQ(connections_->size(), 1U);
  advance(seconds(10) - Millis(1));
  EXPECT_EQ(connections_->size(), 1U);
  advance(Millis(1));
  EXPECT_EQ(connections_->size(), 0U);
  EXPECT_EQ(connections_->pinned_bytes(), 0U);
}

TEST_P(BlockedConnections, TheLargestGoesAtPinnedBytesMaxAndTheOthersStay) {
  Config limited = config();
  limited.engine.pinned_bytes_max = 600'000;
  start(std::move(limited));
  const auto small = connect_websocket();
  const auto large = connect_websocket();
  const auto reads = connect_websocket();
  subscribe(large, "room:1");
  subscribe(reads, "room:1");
  std::string got;
  int published = 0;
  const auto one_more = [&] {
    publish(20'000);
    ++published;
    got += read(reads);
  };
  while (connections_->pinned_bytes() < 100'000 && published < 100) one_more();
  subscribe(small, "room:1");  // it blocks later, and so holds less
  while (connections_->size() == 3 && published < 300) one_more();
  EXPECT_EQ(connections_->size(), 2U);
  EXPECT_LE(connections_->pinned_bytes(), 600'000U);
  EXPECT_EQ(metrics_.slow_consumers.value(), 1U);
  EXPECT_EQ(metrics_.evicted.value(), 1U);
  EXPECT_FALSE(is_closed(small));
  EXPECT_EQ(count_of(got, R"("offset":)"), static_cast<std::size_t>(published));
}

TEST_P(BlockedConnections, WhoDropsTheOldestStaysWithinItsQueueAndIsNotEvicted) {
  Config dropping = config();
  dropping.engine.pinned_bytes_max = 600'000;
  dropping.limits.ping_interval_s = 600;
  NamespaceConfig row = dropping.namespaces.back();
  for (const auto& [name, policy] :
       {std::pair{"drop", SlowPolicy::drop_oldest}, std::pair{"last", SlowPolicy::latest}}) {
    row.name = name;
    row.slow_policy = policy;
    row.send_queue_bytes_max = 200'000;
    dropping.namespaces.insert(dropping.namespaces.begin(), row);
  }
  start(std::move(dropping));
  const auto drops = connect_websocket();
  const auto latest = connect_websocket();
  subscribe(drops, "drop:1");
  subscribe(latest, "last:1");
  std::uint64_t most = 0;
  for (int i = 0; i < 100; ++i) {
    publish(20'000, "drop:1");
    publish(20'000, "last:1");
    most = std::max(most, connections_->pinned_bytes());
  }
  EXPECT_EQ(connections_->size(), 2U);
  EXPECT_EQ(metrics_.slow_consumers.value(), 0U);
  EXPECT_GT(metrics_.slow_dropped_oldest.value(), 0U);
  EXPECT_GT(metrics_.slow_dropped_latest.value(), 0U);
  EXPECT_GT(most, 300'000U);
  EXPECT_LT(most, 450'000U);
  for (const auto* client : {&drops, &latest}) {
    std::string got;
    for (int i = 0; i < 100; ++i) {
      got += read(*client);
      settle();
    }
    EXPECT_EQ(count_of(got, R"("type":"gap")"), 1U);
    EXPECT_NE(got.find(R"("offset":100,)"), std::string::npos);
  }
  EXPECT_EQ(connections_->pinned_bytes(), 0U);
}

TEST_P(BlockedConnections, AnEvictedOneGetsNothingBehindTheFrameThatWasCut) {
  Config limited = config();
  limited.engine.pinned_bytes_max = 300'000;
  start(std::move(limited));
  const auto client = connect_websocket();
  subscribe(client, "room:1");
  for (int i = 0; i < 100 && metrics_.slow_consumers.value() == 0; ++i) publish(20'000);
  ASSERT_EQ(metrics_.slow_consumers.value(), 1U);
  std::string got = read(client);
  settle();
  got += read(client);
  EXPECT_TRUE(got.ends_with("}") || got.ends_with("x")) << "no close frame: the stream was cut";
  EXPECT_TRUE(is_closed(client));
}

// The largest may have nothing new in the tick in which another one needs the memory.
TEST_P(BlockedConnections, AnEvictedOneThatWasQuietGetsNothingMoreEither) {
  Config limited = config();
  limited.engine.pinned_bytes_max = 600'000;
  start(std::move(limited));
  const auto quiet = connect_websocket();
  const auto busy = connect_websocket();
  subscribe(quiet, "room:1");
  subscribe(busy, "room:2");
  for (int i = 0; i < 100 && connections_->pinned_bytes() < 350'000; ++i) publish(20'000);
  for (int i = 0; i < 100 && metrics_.slow_consumers.value() == 0; ++i) publish(20'000, "room:2");
  ASSERT_EQ(metrics_.slow_consumers.value(), 1U);
  std::string got = read(quiet);
  settle();
  got += read(quiet);
  EXPECT_TRUE(got.ends_with("}") || got.ends_with("x")) << "no close frame: the stream was cut";
  EXPECT_TRUE(is_closed(quiet));
  EXPECT_FALSE(is_closed(busy));
}

TEST_P(ConnectionsTest, AStopTellsEveryWebSocketAndFinishesWhatIsAsked) {
  start(config());
  const auto socket = connect_websocket();
  const auto idle = connect();
  const auto asking = connect();
  write(asking, publish_request("tenant:1"));
  settle();
  ReplyTo asker;
  source_.drain(10, [&](SourceMail&& mail) {
    asker = std::get<AppendMail>(mail).reply_to;
    return true;
  });
  connections_->stop(CloseReason::restart, clock_.now());
  settle();
  const std::string close = read(socket);
  ASSERT_GE(close.size(), 4U);
  EXPECT_EQ(static_cast<unsigned char>(close[0]), 0x88);
  EXPECT_EQ(static_cast<unsigned char>(close[2]) << 8 | static_cast<unsigned char>(close[3]), 1012);
  EXPECT_TRUE(is_closed(idle));
  EXPECT_FALSE(is_closed(asking));
  EXPECT_TRUE(hub_->handle(PublishedMail{asker, "tenant:1", Appended{}}, clock_.now()));
  settle();
  EXPECT_TRUE(read(asking).starts_with("HTTP/1.1 200"));
  EXPECT_TRUE(is_closed(asking));
  const auto late = connect();
  settle();
  EXPECT_TRUE(is_closed(late));
}

TEST_P(ConnectionsTest, WhoDoesNotCloseItsSideIsClosedAtLingerAndNotBefore) {
  start(config());
  const auto client = connect_websocket();
  connections_->stop(CloseReason::going_away, clock_.now());
  settle();
  EXPECT_EQ(connections_->size(), 1U);
  advance(seconds(5) - Millis(1));
  EXPECT_EQ(connections_->size(), 1U);
  advance(Millis(1));
  EXPECT_EQ(connections_->size(), 0U);
}

TEST_P(ConnectionsTest, AStreamThatIsAnsweredDuringAStopDoesNotStay) {
  start(config());
  const auto client = connect();
  write(client, "GET /sse?room=tenant:1 HTTP/1.1\r\nHost: localhost\r\n\r\n");
  settle();  // it waits for the store
  connections_->stop(CloseReason::going_away, clock_.now());
  settle();
  EXPECT_TRUE(hub_->handle(StoreStateMail{"e", 1, 1, true}, clock_.now()));
  settle();
  EXPECT_NE(read(client).find("200"), std::string::npos);
  EXPECT_TRUE(is_closed(client));
}

}  // namespace
}  // namespace ringcast
