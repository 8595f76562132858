// What clients ask costs the server: small messages, 16 in one read, and pings of idle connections.
#include <fmt/format.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <span>

#include "client_socket.hpp"
#include "cpu_clock.hpp"
#include "io/file_descriptor.hpp"
#include "median.hpp"
#include "receive.hpp"
#include "receive_limit.hpp"
#include "server_process.hpp"

namespace ringcast::bench {

namespace {

constexpr std::size_t kMessages = 16;  // in one write, and so in one read
constexpr std::size_t kClients = 500;
constexpr int kWarmUp = 32;
constexpr std::uint32_t kPingIntervalS = 4;
constexpr std::size_t kDescriptorsMax = 19'500;  // many systems let a process open 20,000

struct Kind {
  const char* name;
  const char* answer;  // stands in each answer
  std::string request;
};

std::array<Kind, 2> kinds() {
  Kind publish{"publish", "\"published\"", {}};
  Kind subscribe{"subscribe", "subscribed\"", {}};  // and unsubscribed
  for (std::size_t i = 0; i < kMessages; ++i) {
    ClientSocket::append_frame(
        publish.request, R"({"type":"publish","room":"bench:9","event":"e","data":{"n":1234567}})");
    ClientSocket::append_frame(subscribe.request,
                               i % 2 == 0 ? R"({"type":"subscribe","room":"bench:9"})"
                                          : R"({"type":"unsubscribe","room":"bench:9"})");
  }
  return {publish, subscribe};
}

// Clients that write the same request, all of them, and wait for all answers.
class Askers {
 public:
  static Result<Askers> connect(std::uint16_t port) {
    Askers askers;
    for (std::size_t i = 0; i < kClients; ++i) {
      auto client = ClientSocket::connect(port);
      if (!client) return client.error();
      client->non_blocking();
      askers.clients_.push_back(std::move(client).value());
    }
    return askers;
  }

  Result<void> run(const Kind& kind, int rounds) {
    for (int round = 0; round < rounds; ++round) {
      for (ClientSocket& client : clients_)
        if (auto sent = client.send(kind.request); !sent) return sent;
      for (ClientSocket& client : clients_)
        if (auto read = read_answers(client, kind); !read) return read;
    }
    return {};
  }
  [[nodiscard]] std::size_t answer_bytes() const { return answer_bytes_; }

 private:
  Result<void> read_answers(ClientSocket& client, const Kind& kind) {
    std::size_t answers = 0;
    std::size_t octets = 0;
    std::string wrong;
    while (answers < kMessages) {
      pollfd readable{client.fd(), POLLIN, 0};
      if (::poll(&readable, 1, 30'000) != 1) return {Errc::unavailable, "no answer for 30 s"};
      const bool alive = client.read(buffer_, [&](std::string_view message) {
        ++answers;
        octets += message.size() + (message.size() <= 125 ? 2 : 4);
        if (message.find(kind.answer) == std::string_view::npos) wrong = message;
      });
      if (!alive) return {Errc::unavailable, "the server closed"};
      if (!wrong.empty()) return {Errc::internal, "not an answer: " + wrong};
    }
    answer_bytes_ = octets;
    return {};
  }

  std::vector<ClientSocket> clients_;
  std::vector<char> buffer_ = std::vector<char>(64 << 10);
  std::size_t answer_bytes_ = 0;
};

struct Asked {
  std::vector<double> server, receive, answered, ratio;
};

Result<std::string> ask(const Settings& settings, ServerProcess& server) {
  auto askers = Askers::connect(server.port());
  if (!askers) return askers.error();
  auto cpu = CpuClock::of_process(server.pid());
  if (!cpu) return cpu.error();
  auto limit = ReceiveLimit::open(kClients);
  if (!limit) return limit.error();
  const auto all = kinds();
  std::array<Asked, 2> figures;
  constexpr double kCount = kMessages;
  for (int i = -1; i < settings.repetitions; ++i) {
    for (std::size_t k = 0; k < all.size(); ++k) {
      const int rounds = i < 0 ? kWarmUp : settings.messages / 4;
      const std::uint64_t before = cpu->nanoseconds();
      if (auto ran = askers->run(all[k], rounds); !ran) return ran.error();
      const double spent = static_cast<double>(cpu->nanoseconds() - before) /
                           (kCount * kClients * static_cast<double>(rounds));
      auto receive = (*limit)->run(all[k].request.size(), 0, rounds);
      if (!receive) return receive.error();
      auto answered = (*limit)->run(all[k].request.size(), askers->answer_bytes(), rounds);
      if (!answered) return answered.error();
      if (i < 0) continue;
      figures[k].server.push_back(spent);
      figures[k].receive.push_back(*receive / kCount);
      figures[k].answered.push_back(*answered / kCount);
      figures[k].ratio.push_back(spent / (*answered / kCount));
    }
  }
  std::string json;
  fmt::print("{:>10} {:>10} {:>14} {:>18} {:>7}\n", "16 a read", "server ns", "bare receive",
             "receive + answer", "ratio");
  for (std::size_t k = 0; k < all.size(); ++k) {
    const Asked& f = figures[k];
    fmt::print("{:>10} {:>10.0f} {:>14.0f} {:>18.0f} {:>7.2f}\n", all[k].name, median(f.server),
               median(f.receive), median(f.answered), median(f.ratio));
    json += fmt::format(
        R"({{"what":"{}","server_ns":{:.1f},"receive_ns":{:.1f},"answered_ns":{:.1f},)"
        R"("ratio":{:.3f}}},)",
        all[k].name, median(f.server), median(f.receive), median(f.answered), median(f.ratio));
  }
  return json;
}

// Connections that say nothing but pong.
class Silent {
 public:
  static Result<Silent> connect(std::uint16_t port, std::size_t count) {
    Silent silent;
    silent.epoll_ = io::FileDescriptor(::epoll_create1(EPOLL_CLOEXEC));
    for (std::size_t i = 0; i < count; ++i) {
      auto client = ClientSocket::connect(port);
      if (!client) return client.error();
      client->non_blocking();
      epoll_event event{EPOLLIN, {.fd = client->fd()}};
      ::epoll_ctl(silent.epoll_.get(), EPOLL_CTL_ADD, client->fd(), &event);
      silent.clients_.push_back(std::move(client).value());
    }
    return silent;
  }

  // Answers until `count` pings have come; error after 30 s without any.
  Result<void> answer(std::size_t count) {
    constexpr std::string_view kPong("\x8a\x80\0\0\0\0", 6);
    std::array<epoll_event, 512> ready;
    std::array<char, 512> buffer;
    for (std::size_t pings = 0; pings < count;) {
      const int found = ::epoll_wait(epoll_.get(), ready.data(), ready.size(), 30'000);
      if (found <= 0) return {Errc::unavailable, "no ping for 30 s"};
      for (const epoll_event& event : std::span(ready).first(static_cast<std::size_t>(found))) {
        const auto got = ::recv(event.data.fd, buffer.data(), buffer.size(), 0);
        if (got <= 0 || got % 2 != 0) return {Errc::internal, "not a ping"};
        for (long at = 0; at < got; at += 2, ++pings)
          if (::send(event.data.fd, kPong.data(), kPong.size(), MSG_NOSIGNAL) != 6)
            return {Errc::internal, "a pong was not taken"};
      }
    }
    return {};
  }

 private:
  io::FileDescriptor epoll_;
  std::vector<ClientSocket> clients_;
};

Result<std::string> pings(const Settings& settings, ServerProcess& server, std::size_t count) {
  auto silent = Silent::connect(server.port(), count);
  if (!silent) return silent.error();
  if (auto warm = silent->answer(2 * count); !warm) return warm.error();
  auto cpu = CpuClock::of_process(server.pid());
  if (!cpu) return cpu.error();
  // Both ends of these are here, beside the connections above.
  auto limit = ReceiveLimit::open(std::min(count, (kDescriptorsMax - count) / 2));
  if (!limit) return limit.error();
  std::vector<double> spent;
  std::vector<double> least;
  std::vector<double> ratio;
  const double wakes = server.metric("ringcast_ticks_total");
  for (int i = 0; i < settings.repetitions; ++i) {
    const std::uint64_t before = cpu->nanoseconds();
    if (auto answered = silent->answer(count); !answered) return answered.error();
    spent.push_back(static_cast<double>(cpu->nanoseconds() - before) / static_cast<double>(count));
    auto bare = (*limit)->ping(3);
    if (!bare) return bare.error();
    least.push_back(*bare);
    ratio.push_back(spent.back() / *bare);
  }
  const double ticks = server.metric("ringcast_ticks_total") - wakes;
  const double a_tick = static_cast<double>(count) * settings.repetitions / std::max(ticks, 1.0);
  fmt::print(
      "{} connections, a ping and a pong: server {:.0f} ns, bare ring {:.0f} ns, ratio {:.2f}"
      " ({:.1f} pings a tick)\n",
      count, median(spent), median(least), median(ratio), a_tick);
  return fmt::format(R"({{"what":"ping","connections":{},"server_ns":{:.1f},"limit_ns":{:.1f},)"
                     R"("ratio":{:.3f},"pings_a_tick":{:.1f}}})",
                     count, median(spent), median(least), median(ratio), a_tick);
}

}  // namespace

Result<std::string> receive(const Settings& settings) {
  std::vector<std::string> arguments{
      "--shards", "1",
      "--set",    fmt::format("limits.ping_interval_s={}", kPingIntervalS),
      "--set",    "listen.connections_max=20000",
      "--set",    "listen.connections_per_address_max=20000"};
  arguments.insert(arguments.end(), settings.server_arguments.begin(),
                   settings.server_arguments.end());
  const std::string store = "sqlite:" + settings.folder + "/receive.db";
  std::string json;
  {
    std::vector<std::string> quiet = arguments;
    quiet[3] = "limits.ping_interval_s=600";
    auto server = ServerProcess::start(settings.server, store, quiet);
    if (!server) return server.error();
    auto asked = ask(settings, *server);
    if (!asked) return asked;
    json = std::move(asked).value();
  }
  auto server = ServerProcess::start(settings.server, store, arguments);
  if (!server) return server.error();
  auto pinged = pings(settings, *server, std::min<std::size_t>(settings.idle, 15'000));
  if (!pinged) return pinged;
  return "[" + json + *pinged + "]";
}

}  // namespace ringcast::bench
