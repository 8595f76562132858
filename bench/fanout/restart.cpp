// A daemon replaced under load: rows go on being committed while it is away. Does everybody get all
// of them, and when has the last one caught up?
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <optional>
#include <thread>

#include "client_socket.hpp"
#include "question.hpp"
#include "row_writer.hpp"
#include "server_process.hpp"

namespace ringcast::bench {

namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kRowEvery = std::chrono::milliseconds(10);
// Codes 1001 and 1012 in a close frame: the client goes at once, as the protocol asks.
constexpr std::string_view kServerStops = "\x03\xe9";
constexpr std::string_view kServerRestarts = "\x03\xf4";
constexpr double kBeforeSeconds = 2;
constexpr double kPatienceSeconds = 30;

double milliseconds(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double, std::milli>(to - from).count();
}

std::string text_after(std::string_view message, std::string_view name) {
  const auto at = message.find(name);
  if (at == std::string_view::npos) return {};
  const auto begin = at + name.size();
  return std::string(message.substr(begin, message.find('"', begin) - begin));
}

// A client as the protocol's page describes it: it keeps its position, and drops what is not behind
// it.
struct Follower {
  std::optional<ClientSocket> socket;
  std::string epoch;
  std::uint64_t position = 0;
  std::uint64_t next = 0;  // row
};

// Commits one row after the other until it is stopped. Thread: its own writes, any reads the count.
class Committer {
 public:
  explicit Committer(RowWriter& writer)
      : thread_([this, &writer](const std::stop_token& stop) { run(writer, stop); }) {}
  [[nodiscard]] std::uint64_t committed() const { return committed_; }
  Result<void> stop() {
    thread_.request_stop();
    if (thread_.joinable()) thread_.join();
    return result_;
  }

 private:
  void run(RowWriter& writer, const std::stop_token& stop) {
    for (auto due = Clock::now(); !stop.stop_requested() && result_; due += kRowEvery) {
      std::this_thread::sleep_until(due);
      result_ = writer.commit(committed_, 1, 0);
      if (result_) ++committed_;
    }
  }
  std::atomic<std::uint64_t> committed_ = 0;
  Result<void> result_;
  std::jthread thread_;
};

class Followers {
 public:
  explicit Followers(std::size_t size) : all_(size) {}

  Result<void> enter(std::uint16_t port);
  // Everybody who has a socket reads what is there.
  Result<void> read();
  [[nodiscard]] bool all_have(std::uint64_t rows) const {
    return std::all_of(all_.begin(), all_.end(), [&](const Follower& f) { return f.next >= rows; });
  }
  [[nodiscard]] std::size_t away() const {
    return static_cast<std::size_t>(
        std::count_if(all_.begin(), all_.end(), [](const Follower& f) { return !f.socket; }));
  }
  // Who is furthest behind.
  [[nodiscard]] std::string worst() const {
    const auto least = std::min_element(
        all_.begin(), all_.end(), [](const auto& a, const auto& b) { return a.next < b.next; });
    return fmt::format("next row {}, position {}.{}, {}", least->next, least->epoch,
                       least->position, least->socket ? "connected" : "away");
  }
  [[nodiscard]] std::size_t recovered() const { return recovered_; }
  [[nodiscard]] std::uint64_t repeated() const { return repeated_; }

 private:
  Result<void> subscribe(Follower& follower);
  Result<void> take(Follower& follower, std::string_view message);
  std::vector<Follower> all_;
  std::vector<char> buffer_ = std::vector<char>(64 << 10);
  std::size_t recovered_ = 0;
  std::uint64_t repeated_ = 0;
};

Result<void> Followers::enter(std::uint16_t port) {
  for (Follower& follower : all_) {
    if (follower.socket) continue;
    auto socket = ClientSocket::connect(port);
    if (!socket) return socket.error();
    follower.socket.emplace(std::move(socket).value());
    if (auto done = subscribe(follower); !done) return done;
  }
  return {};
}

Result<void> Followers::subscribe(Follower& follower) {
  const bool again = !follower.epoch.empty();
  const std::string recover = again ? fmt::format(R"(,"recover":{{"offset":{},"epoch":"{}"}})",
                                                  follower.position, follower.epoch)
                                    : "";
  std::string frame;
  ClientSocket::append_frame(frame,
                             fmt::format(R"({{"type":"subscribe","room":"tenant:1"{}}})", recover));
  if (auto sent = follower.socket->send(frame); !sent) return sent;
  auto answer = follower.socket->wait_for("\"subscribed\"");
  if (!answer) return answer.error();
  follower.epoch = text_after(*answer, "\"epoch\":\"");
  follower.position = number_after(*answer, "\"offset\":", 0);
  if (again && answer->find("\"recovered\":true") != std::string::npos) ++recovered_;
  follower.socket->non_blocking();
  return {};
}

Result<void> Followers::read() {
  for (Follower& follower : all_) {
    if (!follower.socket) continue;
    Result<void> taken;
    bool closing = false;
    const bool alive = follower.socket->read(buffer_, [&](std::string_view message) {
      if (message.starts_with(kServerStops) || message.starts_with(kServerRestarts))
        closing = true;
      else if (taken)
        taken = take(follower, message);
    });
    if (!taken) return taken;
    if (!alive || closing) follower.socket.reset();
  }
  return {};
}

Result<void> Followers::take(Follower& follower, std::string_view message) {
  const std::uint64_t row = number_after(message, "\"bn\":", UINT64_MAX);
  if (row == UINT64_MAX) return {};
  const std::uint64_t offset = number_after(message, "\"offset\":", 0);
  if (offset <= follower.position) return ++repeated_, Result<void>{};
  follower.position = offset;
  if (row != follower.next++)
    return {Errc::internal, fmt::format("row {} came where {} was due", row, follower.next - 1)};
  return {};
}

// Waits until `done` holds; everybody goes on reading.
template <class Done>
Result<void> read_until(Followers& followers, Done&& done) {
  const auto begin = Clock::now();
  while (!done()) {
    if (auto read = followers.read(); !read) return read;
    if (milliseconds(begin, Clock::now()) > kPatienceSeconds * 1e3)
      return {Errc::unavailable, "somebody never caught up: " + followers.worst()};
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return {};
}

}  // namespace

Result<RestartFigures> restart(const Settings& settings) {
  const std::string store = "sqlite:" + settings.folder + "/restart.db";
  std::vector<std::string> arguments = settings.server_arguments;
  arguments.insert(arguments.end(), {"--set", "limits.ping_interval_s=600", "--set",
                                     "namespace.tenant.history=store", "--set",
                                     "namespace.tenant.history_size=1000"});
  auto first = ServerProcess::start(settings.server, store, arguments);
  if (!first) return first.error();
  std::optional<ServerProcess> server(std::move(first).value());
  const std::uint16_t port = server->port();
  Followers followers(settings.subscribers);
  if (auto done = followers.enter(port); !done) return done.error();
  auto writer = RowWriter::open(store);
  if (!writer) return writer.error();
  Committer committer(**writer);

  const auto begin = Clock::now();
  if (auto read = read_until(
          followers, [&] { return milliseconds(begin, Clock::now()) > kBeforeSeconds * 1e3; });
      !read)
    return read.error();
  RestartFigures figures;
  const auto stopped = Clock::now();
  {
    const std::jthread stopper([&] { server.reset(); });
    if (auto read = read_until(followers, [&] { return followers.away() == settings.subscribers; });
        !read)
      return read.error();
  }
  auto second = ServerProcess::start(settings.server, store, arguments, port);
  if (!second) return second.error();
  const std::uint64_t rows = committer.committed();
  figures.away_ms = milliseconds(stopped, Clock::now());
  figures.subscribers = followers.away();
  if (auto done = followers.enter(port); !done) return done.error();
  figures.subscribed_ms = milliseconds(stopped, Clock::now());
  if (auto read = read_until(followers, [&] { return followers.all_have(rows); }); !read)
    return read.error();
  figures.caught_up_ms = milliseconds(stopped, Clock::now());
  if (auto done = committer.stop(); !done) return done.error();
  if (auto read = read_until(followers, [&] { return followers.all_have(committer.committed()); });
      !read)
    return read.error();
  figures.rows = committer.committed();
  figures.recovered = followers.recovered();
  figures.repeated = followers.repeated();
  return figures;
}

}  // namespace ringcast::bench
