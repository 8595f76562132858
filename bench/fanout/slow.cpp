#include "slow.hpp"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "crowd.hpp"
#include "median.hpp"
#include "server_process.hpp"

namespace ringcast::bench {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kReaders = 20;
constexpr std::size_t kStuck = 20;
constexpr std::uint32_t kEventsASecond = 1'000;
constexpr std::uint64_t kWarmUp = 200;
constexpr std::size_t kPadBytes = 4'096;
constexpr int kReceiveBufferBytes = 4'096;
constexpr const char* kPolicies[] = {"disconnect", "drop_oldest", "latest"};

std::uint64_t now_ns() {
  return static_cast<std::uint64_t>(Clock::now().time_since_epoch().count());
}

// Subscribed, and never read again.
struct Stuck {
  std::vector<ClientSocket> sockets;

  Result<void> join(std::uint16_t port, const std::string& room, std::size_t count) {
    std::string subscribe;
    ClientSocket::append_frame(subscribe,
                               fmt::format(R"({{"type":"subscribe","room":"{}"}})", room));
    for (std::size_t i = 0; i < count; ++i) {
      auto socket = ClientSocket::connect(port);
      if (!socket) return socket.error();
      ::setsockopt(socket->fd(), SOL_SOCKET, SO_RCVBUF, &kReceiveBufferBytes,
                   sizeof kReceiveBufferBytes);
      if (auto sent = socket->send(subscribe); !sent) return sent.error();
      if (auto answer = socket->wait_for("\"subscribed\""); !answer) return answer.error();
      sockets.push_back(std::move(socket).value());
    }
    return {};
  }
};

std::string publish_frame(const std::string& room, std::uint64_t number) {
  static const std::string kPad(kPadBytes, 'x');
  std::string frame;
  ClientSocket::append_frame(
      frame,
      fmt::format(
          R"({{"type":"publish","room":"{}","event":"bench","key":"{}","data":{{"bn":{},"bt":{},"pad":"{}"}}}})",
          room, number % 50, number, now_ns(), kPad));
  return frame;
}

double percentile(std::vector<double>& sorted, double share) {
  return sorted[std::min(sorted.size() - 1,
                         static_cast<std::size_t>(share * static_cast<double>(sorted.size())))];
}

struct Delays {
  double p50_ms = 0;
  double p99_ms = 0;
};

// One round: what the readers waited for each event.
Result<Delays> round(const ServerProcess& server, const std::string& room, std::size_t stuck_count,
                     std::uint32_t seconds) {
  auto readers = Crowd::join(server.port(), room, kReaders);
  if (!readers) return readers.error();
  Stuck stuck;
  if (auto joined = stuck.join(server.port(), room, stuck_count); !joined) return joined.error();
  auto publisher = ClientSocket::connect(server.port());
  if (!publisher) return publisher.error();
  publisher->non_blocking();
  std::vector<double> delays;
  std::vector<char> answers(64 << 10);
  const auto seen = [&](std::string_view message) {
    if (number_after(message, "\"bn\":", 0) < kWarmUp) return;
    delays.push_back(static_cast<double>(now_ns() - number_after(message, "\"bt\":", 0)) / 1e6);
  };
  const std::uint64_t count = kWarmUp + std::uint64_t{kEventsASecond} * seconds;
  const auto begin = Clock::now();
  for (std::uint64_t number = 0; number < count;) {
    const auto due = begin + std::chrono::nanoseconds(1'000'000'000 / kEventsASecond * number);
    if (Clock::now() >= due) {
      if (auto sent = publisher->send(publish_frame(room, number)); !sent) return sent.error();
      ++number;
    }
    if (auto read = (*readers)->read(Millis(Clock::now() < due ? 1 : 0), seen); !read)
      return read.error();
    if (!publisher->read(answers, [](std::string_view) {}))
      return {Errc::unavailable, "the publisher was disconnected"};
  }
  while (delays.size() < (count - kWarmUp) * kReaders) {
    const std::size_t before = delays.size();
    if (auto read = (*readers)->read(Millis(10'000), seen); !read) return read.error();
    if (delays.size() == before) return {Errc::unavailable, "events did not come"};
  }
  if (auto all = (*readers)->read_until(count); !all) return all.error();
  std::sort(delays.begin(), delays.end());
  return Delays{percentile(delays, 0.5), percentile(delays, 0.99)};
}

// Every counter that says that somebody was too slow.
double losses(const ServerProcess& server) {
  return server.metric("ringcast_slow_consumers_total") +
         server.metric("ringcast_slow_dropped_total") +
         server.metric("ringcast_slow_conflated_total");
}

Result<std::string> measure(const ServerProcess& server, const std::string& policy,
                            const Settings& settings) {
  std::vector<double> alone_p50, alone_p99, with_p50, with_p99;
  for (int i = 0; i < settings.repetitions; ++i) {
    auto alone = round(server, fmt::format("{}:{}:alone", policy, i), 0, settings.seconds);
    if (!alone) return alone.error();
    const double before = losses(server);
    auto with = round(server, fmt::format("{}:{}:stuck", policy, i), kStuck, settings.seconds);
    if (!with) return with.error();
    if (losses(server) == before) return {Errc::internal, "nobody was slow"};
    alone_p50.push_back(alone->p50_ms);
    alone_p99.push_back(alone->p99_ms);
    with_p50.push_back(with->p50_ms);
    with_p99.push_back(with->p99_ms);
  }
  const double alone = median(alone_p99);
  const double with = median(with_p99);
  const bool kept = with <= 1.5 * alone + 2;
  fmt::print("{:>12} {:>10.2f} {:>10.2f} {:>10.2f} {:>10.2f} {:>7.2f} {:>6}\n", policy,
             median(alone_p50), median(with_p50), alone, with, with / alone, kept ? "yes" : "NO");
  return fmt::format(
      R"({{"policy":"{}","alone_p50_ms":{:.3f},"with_p50_ms":{:.3f},"alone_p99_ms":{:.3f},)"
      R"("with_p99_ms":{:.3f},"ratio":{:.3f},"within":{}}})",
      policy, median(alone_p50), median(with_p50), alone, with, with / alone, kept);
}

}  // namespace

Result<std::string> slow(const Settings& settings) {
  // So long that what never reads stays.
  std::vector<std::string> arguments{"--set", "limits.ping_interval_s=600", "--set",
                                     "limits.write_stall_s=3600"};
  for (const std::string policy : kPolicies)
    for (const std::string& key :
         {"slow_policy=" + policy, std::string("send_queue_bytes_max=262144")})
      arguments.insert(arguments.end(), {"--set", "namespace." + policy + "." + key});
  arguments.insert(arguments.end(), settings.server_arguments.begin(),
                   settings.server_arguments.end());
  auto server =
      ServerProcess::start(settings.server, "sqlite:" + settings.folder + "/slow.db", arguments);
  if (!server) return server.error();
  fmt::print(
      "{} subscribers that read, alone and beside {} that never do; {} events/s of {} octets for "
      "{} s,\nmedians of {}; every event of theirs verified. ms from the publish:\n",
      kReaders, kStuck, kEventsASecond, kPadBytes, settings.seconds, settings.repetitions);
  fmt::print("{:>12} {:>10} {:>10} {:>10} {:>10} {:>7} {:>6}\n", "policy", "p50 alone", "p50 with",
             "p99 alone", "p99 with", "ratio", "kept");
  std::string json;
  for (const char* policy : kPolicies) {
    auto measured = measure(*server, policy, settings);
    if (!measured) return measured.error();
    json += (json.empty() ? "[" : ",") + *measured;
  }
  return json + "]";
}

}  // namespace ringcast::bench
