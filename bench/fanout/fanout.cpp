// N subscribers of one memory room, one publisher: what does a delivered message cost the server?
#include <fmt/format.h>

#include <algorithm>

#include "cpu_clock.hpp"
#include "crowd.hpp"
#include "limit.hpp"
#include "median.hpp"
#include "question.hpp"
#include "server_process.hpp"

namespace ringcast::bench {

namespace {

constexpr std::size_t kPayloadBytes = 128;
// A receiver acknowledges each of its first segments at once, which costs the sender 1.7 times.
constexpr int kWarmUp = 32;
// Publications in flight, which the engine handles in one tick.
constexpr std::size_t kWindows[] = {1, 16, 64};

// Publishes in windows: the next one goes out when everybody has the one before.
class Publisher {
 public:
  Publisher(ClientSocket socket, Crowd& crowd) : socket_(std::move(socket)), crowd_(crowd) {}

  Result<void> run(std::size_t window, int windows) {
    std::vector<char> buffer(64 << 10);
    for (int i = 0; i < windows; ++i) {
      frames_.clear();
      for (std::size_t k = 0; k < window; ++k) append(next_++);
      if (auto sent = socket_.send(frames_); !sent) return sent;
      if (auto read = crowd_.read_until(next_); !read) return read;
      if (!socket_.read(buffer, [&](std::string_view answer) {
            failed_ = failed_ || answer.find("\"error\"") != std::string_view::npos;
          }))
        return {Errc::unavailable, "the publisher was disconnected"};
      if (failed_) return {Errc::internal, "a publish was refused"};
    }
    return {};
  }

 private:
  void append(std::uint64_t number) {
    std::string data = fmt::format(R"({{"bn":{},"pad":")", number);
    data.append(kPayloadBytes - data.size() - 2, 'x');
    data += "\"}";
    ClientSocket::append_frame(
        frames_,
        fmt::format(R"({{"type":"publish","room":"bench:1","event":"bench","data":{}}})", data));
  }
  ClientSocket socket_;
  Crowd& crowd_;
  std::uint64_t next_ = 0;
  std::string frames_;
  bool failed_ = false;
};

struct Repetitions {
  std::vector<double> server, softirq, limit, ratio, visits, rate;
};

struct Bench {
  ServerProcess& server;
  Crowd& crowd;
  Publisher& publisher;
  Limit& limit;
  CpuClock cpu;
  CpuClock softirq;

  Result<void> repeat(std::size_t window, int windows, Repetitions& into);
};

Result<void> Bench::repeat(std::size_t window, int windows, Repetitions& into) {
  const double deliveries = static_cast<double>(window * crowd.size()) * windows;
  const double sends = server.metric("ringcast_sends_total");
  const std::uint64_t cpu_before = cpu.nanoseconds();
  const std::uint64_t softirq_before = softirq.nanoseconds();
  const auto begin = std::chrono::steady_clock::now();
  if (auto ran = publisher.run(window, windows); !ran) return ran;
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  const double spent = static_cast<double>(cpu.nanoseconds() - cpu_before) / deliveries;
  const double soft = static_cast<double>(softirq.nanoseconds() - softirq_before) / deliveries;
  into.visits.push_back(deliveries / (server.metric("ringcast_sends_total") - sends));
  auto least = limit.run(crowd.frame_bytes(), window, 30);
  if (!least) return least.error();
  into.server.push_back(spent);
  into.softirq.push_back(softirq.visible() ? soft : -1);
  into.limit.push_back(*least);
  into.ratio.push_back((spent + (softirq.visible() ? soft : 0)) / *least);
  into.rate.push_back(deliveries / took.count());
  return {};
}

Result<void> measure(const Settings& settings, const std::string& backend,
                     std::vector<FanoutFigures>& figures) {
  std::vector<std::string> arguments{"--shards", "1",    "--set", "limits.ping_interval_s=600",
                                     "--engine", backend};
  arguments.insert(arguments.end(), settings.server_arguments.begin(),
                   settings.server_arguments.end());
  auto server =
      ServerProcess::start(settings.server, "sqlite:" + settings.folder + "/fanout.db", arguments);
  if (!server) return server.error();
  auto crowd = Crowd::join(server->port(), "bench:1", settings.subscribers);
  if (!crowd) return crowd.error();
  auto socket = ClientSocket::connect(server->port());
  if (!socket) return socket.error();
  socket->non_blocking();
  Publisher publisher(std::move(socket).value(), **crowd);
  auto limit = Limit::open(settings.subscribers);
  if (!limit) return limit.error();
  auto cpu = CpuClock::of_process(server->pid());
  if (!cpu) return cpu.error();
  if (auto warm = publisher.run(1, kWarmUp); !warm) return warm.error();
  if (auto warm = (*limit)->run((*crowd)->frame_bytes(), 1, kWarmUp); !warm) return warm.error();

  Bench bench{
      *server, **crowd, publisher, **limit, std::move(cpu).value(), CpuClock::of_ksoftirqd()};
  Repetitions repetitions[std::size(kWindows)];
  for (int i = 0; i < settings.repetitions; ++i)
    for (std::size_t w = 0; w < std::size(kWindows); ++w)
      if (auto done = bench.repeat(kWindows[w], settings.messages, repetitions[w]); !done)
        return done.error();
  for (std::size_t w = 0; w < std::size(kWindows); ++w) {
    const Repetitions& all = repetitions[w];
    figures.push_back({backend, kWindows[w], (*crowd)->frame_bytes(), median(all.server),
                       median(all.softirq), median(all.limit), median(all.ratio),
                       median(all.visits), median(all.rate)});
  }
  return {};
}

}  // namespace

Result<std::vector<FanoutFigures>> fanout(const Settings& settings) {
  std::vector<FanoutFigures> figures;
  for (const std::string& backend : settings.backends)
    if (auto done = measure(settings, backend, figures); !done) return done.error();
  return figures;
}

}  // namespace ringcast::bench
