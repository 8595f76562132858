#include "outbox/subscriber.hpp"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>

namespace ringcast::bench {

namespace {

constexpr int kLookMs = 20;
constexpr std::chrono::seconds kPatience{120};
constexpr std::chrono::milliseconds kForRepeats{50};

}  // namespace

Subscriber::Subscriber(ClientSocket socket, const Expected& expected, std::function<void()> look)
    : socket_(std::move(socket)),
      expected_(expected),
      look_(std::move(look)),
      next_(expected.writers) {
  for (std::size_t writer = 0; writer < next_.size(); ++writer) next_[writer] = writer;
  arrivals_.reserve(expected.rows);
  thread_ = std::jthread([this](const std::stop_token& stop) { read(stop); });
}

Result<void> Subscriber::finish(std::uint64_t rows) {
  const auto begin = Clock::now();
  while (good_ && rows_ < rows && Clock::now() - begin < kPatience)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  std::this_thread::sleep_for(kForRepeats);
  thread_.request_stop();
  thread_.join();
  if (!good_) return {Errc::unavailable, "the subscriber: " + problem_};
  if (rows_ != rows)
    return {Errc::unavailable, fmt::format("{} rows of {} came", rows_.load(), rows)};
  return {};
}

void Subscriber::read(const std::stop_token& stop) {
  std::vector<char> buffer(256 << 10);
  socket_.non_blocking();
  pollfd readable{socket_.fd(), POLLIN, 0};
  while (good_ && !stop.stop_requested()) {
    if (::poll(&readable, 1, kLookMs) <= 0) continue;
    const auto now = Clock::now();
    const bool alive = socket_.read(buffer, [&](std::string_view message) {
      // Centrifugo puts several into one message.
      while (!message.empty()) {
        const std::size_t line = std::min(message.find('\n'), message.size() - 1) + 1;
        take(message.substr(0, line), now);
        message.remove_prefix(line);
      }
    });
    if (alive) continue;
    problem_ = "the connection ended";
    good_ = false;
  }
}

void Subscriber::take(std::string_view message, Clock::time_point now) {
  if (!good_) return;
  const std::uint64_t number = number_after(message, "\"bn\":", UINT64_MAX);
  if (number == UINT64_MAX) {
    if (message != "{}") return;
    std::string pong;  // Centrifugo wants its ping back
    ClientSocket::append_frame(pong, message);
    good_ = static_cast<bool>(socket_.send(pong));
    return;
  }
  const std::uint64_t place = number / expected_.step;
  std::uint64_t& due = next_[place % expected_.writers];
  if (number % expected_.step != 0 || place != due) {
    problem_ = fmt::format("row {} came where {} was due", number, due * expected_.step);
    good_ = false;
    return;
  }
  due += expected_.writers;
  if (expected_.rows != 0) arrivals_.push_back(now);
  const std::uint64_t rows = ++rows_;
  if (look_ && (rows == 1 || rows == expected_.rows)) look_();
}

}  // namespace ringcast::bench
