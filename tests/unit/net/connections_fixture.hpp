// One shard's connections over a real ring, with socket pairs as their clients and a clock that is
// moved by hand; the source is a mailbox that the test answers.
#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cerrno>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "hub/hub.hpp"
#include "net/connections.hpp"
#include "unit/wire/client_frames.hpp"

namespace ringcast {

class ConnectionsTest : public ::testing::TestWithParam<io::Backend> {
 protected:
  static Config config() {
    Config config;
    config.store.url = "sqlite:unused";
    config.dev = true;
    config.auth.api_keys = {"key-of-this-test"};
    with_default_namespaces(config);
    return config;
  }

  void start(Config config) {
    const LimitsConfig limits = config.limits;
    const ListenConfig listen = config.listen;
    ApiKeys keys;
    for (const std::string& key : config.auth.api_keys) ASSERT_TRUE(keys.add(key).ok());
    services_ = std::make_unique<Services>(
        Services{std::move(config),
                 {limits.header_bytes_max, limits.header_lines_max, limits.target_bytes_max,
                  limits.body_bytes_max},
                 {limits.message_bytes_max, limits.fragments_max},
                 JwtVerifier(KeySet(), {}),
                 std::move(keys),
                 std::make_shared<const Identity>(Identity{{}, Grants::all(), {}}),
                 std::make_shared<const Identity>(Identity{{}, Grants::all(), {}, true}),
                 std::make_shared<Places>(listen.connections_max),
                 std::make_shared<AddressPlaces>(listen.connections_per_address_max),
                 [] { return std::string("metrics\n"); },
                 [] { return Readiness{}; }});
    io::RingOptions options;
    options.backend = GetParam();
    auto ring = io::Ring::create(options);
    ASSERT_TRUE(ring.ok()) << ring.error().detail;
    ring_ = std::move(ring).value();
    std::vector<ShardSender> others;
    others.emplace_back();
    hub_ = std::make_unique<Hub>(services_->config, services_->handlers,
                                 Mesh({0}, std::move(others), source_mailbox_.open(64), 4'096),
                                 metrics_);
    connections_ = std::make_unique<Connections>(*services_, *ring_, *hub_, metrics_, clock_);
  }

  // A client's end of a new connection, non-blocking.
  io::FileDescriptor connect() {
    int fds[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    auto adopted = ring_->adopt(io::FileDescriptor(fds[0]));
    EXPECT_TRUE(adopted.ok());
    io::IoEvent event;
    event.kind = io::EventKind::accepted;
    event.socket = *adopted;
    connections_->handle(event, clock_.now());
    return io::FileDescriptor(fds[1]);
  }

  // As the loop of a shard does it.
  void tick() {
    const auto events = ring_->wait(Instant{});
    const Instant now = clock_.now();
    for (const io::IoEvent& event : events) {
      connections_->handle(event, now);
      hub_->handle_local(4'096, now);
    }
    connections_->run_timers(now);
    hub_->run(now);
    hub_->handle_local(4'096, now);
    hub_->audience().flush_rooms(clock_.now(), clock_.wall());
    connections_->flush(now);
    hub_->audience().end_tick();
  }
  // Enough of them for what was written to a socket to be read, answered and sent.
  void settle() {
    for (int i = 0; i < 12; ++i) tick();
  }
  void advance(Millis by) {
    clock_.advance(by);
    settle();
  }

  static void write(const io::FileDescriptor& client, std::string_view octets) {
    ASSERT_EQ(::send(client.get(), octets.data(), octets.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(octets.size()));
  }
  static void write_text(const io::FileDescriptor& client, std::string_view json) {
    write(client, wire::client_frame(0x81, json));
  }
  // What is there now.
  static std::string read(const io::FileDescriptor& client) {
    std::string out;
    char buffer[65'536];
    for (ssize_t got = 0; (got = ::recv(client.get(), buffer, sizeof buffer, 0)) > 0;)
      out.append(buffer, static_cast<std::size_t>(got));
    return out;
  }
  // Has the server closed its side? What was not read yet is dropped.
  static bool is_closed(const io::FileDescriptor& client) {
    char buffer[65'536];
    for (;;) {
      const ssize_t got = ::recv(client.get(), buffer, sizeof buffer, 0);
      if (got == 0) return true;
      if (got < 0) return errno != EAGAIN;
    }
  }

  io::FileDescriptor connect_websocket() {
    io::FileDescriptor client = connect();
    write(client,
          "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n");
    settle();
    EXPECT_NE(read(client).find(R"({"type":"connected")"), std::string::npos);
    return client;
  }
  void subscribe(const io::FileDescriptor& client, std::string_view room) {
    write_text(client, std::string(R"({"type":"subscribe","room":")") + std::string(room) + "\"}");
    settle();
    EXPECT_NE(read(client).find(R"("subscribed")"), std::string::npos);
  }
  static std::string publish_request(std::string_view room) {
    const std::string body = R"({"room":")" + std::string(room) + R"(","type":"t","data":1})";
    return "POST /api/publish HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer "
           "key-of-this-test\r\nContent-Length: " +
           std::to_string(body.size()) + "\r\n\r\n" + body;
  }

  ManualClock clock_;
  ShardMetrics metrics_;
  Wakeup source_wakeup_;
  Mailbox<SourceMail> source_mailbox_{source_wakeup_};
  Mailbox<SourceMail>::Receiver source_{source_mailbox_};
  std::unique_ptr<Services> services_;
  std::unique_ptr<io::Ring> ring_;
  std::unique_ptr<Hub> hub_;
  std::unique_ptr<Connections> connections_;
};

}  // namespace ringcast
