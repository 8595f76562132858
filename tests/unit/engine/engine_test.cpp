// The whole engine in this process: start, serve, refuse, stop.
#include "engine.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <string>
#include <thread>

#include "io/file_descriptor.hpp"
#include "message/json.hpp"
#include "wiring.hpp"

namespace ringcast {
namespace {

Config config(std::uint32_t shards = 2) {
  Config config;
  config.listen.address = "127.0.0.1:0";
  config.engine.shards = shards;
  config.engine.stop_deadline_ms = 500;
  config.log.level = log::Level::error;
  config.dev = true;
  return config;
}

io::FileDescriptor connect(const std::string& address) {
  io::FileDescriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<std::uint16_t>(std::stoi(address.substr(address.find(':') + 1))));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0)
    socket.reset();
  return socket;
}

void write(const io::FileDescriptor& socket, const std::string& octets) {
  ASSERT_EQ(::send(socket.get(), octets.data(), octets.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(octets.size()));
}

// Blocks until `text` has come or the peer has closed.
std::string read_until(const io::FileDescriptor& socket, const std::string& text) {
  std::string out;
  char buffer[4'096];
  while (text.empty() || out.find(text) == std::string::npos) {
    const ssize_t got = ::recv(socket.get(), buffer, sizeof buffer, 0);
    if (got <= 0) break;
    out.append(buffer, static_cast<std::size_t>(got));
  }
  return out;
}

std::string get(const std::string& address, const std::string& path) {
  const auto socket = connect(address);
  write(socket, "GET " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  return read_until(socket, "");
}

io::FileDescriptor websocket(const std::string& address) {
  auto socket = connect(address);
  write(socket,
        "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n");
  EXPECT_NE(read_until(socket, R"("connected")").find(" 101 "), std::string::npos);
  return socket;
}

TEST(Engine, ServesFromStartToStop) {
  auto engine = Engine::start(config());
  ASSERT_TRUE(engine.ok()) << engine.error().detail;
  const std::string address = engine.value()->address();
  EXPECT_TRUE(address.starts_with("127.0.0.1:"));
  for (int i = 0; i < 8; ++i)  // whichever shard the kernel chooses
    EXPECT_TRUE(get(address, "/healthz").starts_with("HTTP/1.1 200"));
  EXPECT_TRUE(get(address, "/readyz").starts_with("HTTP/1.1 200"));
  engine.value()->request_stop(Engine::Stop::goes_away);
  engine.value()->join();
  EXPECT_EQ(connect(address).get(), -1) << "nobody listens any more";
}

TEST(Engine, RefusesAnAddressThatIsTaken) {
  auto first = Engine::start(config(1));
  ASSERT_TRUE(first.ok());
  Config same = config(1);
  same.listen.address = first.value()->address();
  auto second = Engine::start(same);
  ASSERT_FALSE(second.ok());
  EXPECT_NE(second.error().detail.find(same.listen.address), std::string::npos)
      << second.error().detail;
}

TEST(Engine, StartsAgainOnItsOwnPortAtOnce) {
  Config again = config(1);
  for (int i = 0; i < 5; ++i) {
    auto engine = Engine::start(again);
    ASSERT_TRUE(engine.ok()) << i << ": " << engine.error().detail;
    again.listen.address = engine.value()->address();
    const auto client = websocket(again.listen.address);
  }
}

TEST(Engine, TellsItsWebSocketsWhyItEnds) {
  struct Row {
    Engine::Stop how;
    unsigned code;
  };
  for (const Row& row : {Row{Engine::Stop::goes_away, 1001}, Row{Engine::Stop::restarts, 1012}}) {
    auto engine = Engine::start(config());
    ASSERT_TRUE(engine.ok());
    const auto client = websocket(engine.value()->address());
    engine.value()->request_stop(row.how);
    const std::string close = read_until(client, "");
    ASSERT_GE(close.size(), 4U);
    EXPECT_EQ(static_cast<unsigned char>(close[0]), 0x88);
    EXPECT_EQ(static_cast<unsigned char>(close[2]) * 256U + static_cast<unsigned char>(close[3]),
              row.code);
    engine.value()->join();
  }
}

TEST(Engine, EndsAtItsStopDeadlineWhateverClientsDo) {
  Config patient = config(1);
  patient.limits.linger_s = 60;
  auto engine = Engine::start(patient);
  ASSERT_TRUE(engine.ok());
  const auto client = websocket(engine.value()->address());  // and it never closes its side
  const auto begin = std::chrono::steady_clock::now();
  engine.value()->request_stop(Engine::Stop::goes_away);
  engine.value()->join();
  EXPECT_GE(std::chrono::steady_clock::now() - begin, Millis(450));
}

// Takes what comes to a port and wants nothing of it.
class Ignores final : public PortListener {
 public:
  void subscribed(SubscriptionId, const SubscribedMail&) override {}
  void event(SubscriptionId, EventRef event) override { last = event->offset; }
  void gap(SubscriptionId, const GapMail&) override {}
  void epoch_changed(SubscriptionId, const EpochMail&) override {}
  void presence_changed(SubscriptionId, const PresenceUpdateMail&) override {}
  void published(std::uint64_t, const PublishedMail&) override { ++answers; }
  void presence_list(std::uint64_t, const PresenceListMail&) override {}
  void mail(ShardMail&&) override {}

  void drain_until(Port& port, const std::function<bool()>& so) {
    while (true) {
      while (port.drain(1'024, *this)) {
      }
      if (so()) return;
      pollfd wait{port.fd(), POLLIN, 0};
      ASSERT_GE(::poll(&wait, 1, 30'000), 1) << "nothing has come";
    }
  }

  Offset last = 0;
  std::size_t answers = 0;
};

std::uint64_t ticks(const std::string& address) {
  const std::string page = get(address, "/metrics");
  const auto at = page.find("\nringcast_ticks_total");
  return std::stoull(page.substr(page.find(' ', at)));
}

TEST(Engine, SleepsWhileAnApplicationThatIsBehindStandsStill) {
  Config small = config(1);
  small.engine.ports = 2;
  small.engine.mailbox_max = 16;
  small.limits.ping_interval_s = 1;
  auto started = Engine::start(small);
  ASSERT_TRUE(started.ok()) << started.error().detail;
  Engine& engine = **started;
  Port& still = engine.port(0);
  ASSERT_TRUE(still.subscribe("chat:1", {}).ok());
  still.flush();
  Port& other = engine.port(1);
  Ignores others;
  constexpr std::size_t kEvents = 50;
  for (std::size_t i = 1; i <= kEvents; ++i) {
    PublishAsk ask;
    ask.room = "chat:1";
    ask.type = "t";
    ask.data = *check_payload("1", JsonShape::any, "data");
    ASSERT_EQ(*other.publish(std::move(ask), WallTime{}, 1), Asked::queued);
    other.flush();
    others.drain_until(other, [&] { return others.answers == i; });
  }
  const auto client = websocket(engine.address());
  ASSERT_NE(read_until(client, "\x89").find('\x89'), std::string::npos) << "no ping";
  const std::uint64_t before = ticks(engine.address());
  ASSERT_NE(read_until(client, "\x89").find('\x89'), std::string::npos) << "no ping";
  EXPECT_LT(ticks(engine.address()) - before, 100U) << "in a second: it looked again and again";

  Ignores late;
  late.drain_until(still, [&] { return late.last == kEvents; });
}

TEST(Engine, SaysWhatIsWrongWithItsConfiguration) {
  struct Row {
    void (*change)(Config&);
    const char* names;
  };
  const Row rows[] = {
      {[](Config& c) { c.listen.address = "nonsense"; }, "listen.address"},
      {[](Config& c) { c.auth.hs256_secret = "short"; }, "auth.hs256_secret"},
      {[](Config& c) { c.auth.public_keys = {"nothing"}; }, "auth.public_keys"},
      {[](Config& c) { c.store.url = "mysql://x"; }, "store.url"},
  };
  for (const Row& row : rows) {
    Config wrong = config(1);
    row.change(wrong);
    auto engine = Engine::start(wrong);
    ASSERT_FALSE(engine.ok()) << row.names;
    EXPECT_NE(engine.error().detail.find(row.names), std::string::npos) << engine.error().detail;
  }
}

TEST(Wiring, UsesAtLeastOneCpuAndAtMostAsManyAsShardsMayBe) {
  EXPECT_GE(usable_cpus(), 1U);
  EXPECT_LE(usable_cpus(), kShardsMax);
}

}  // namespace
}  // namespace ringcast
