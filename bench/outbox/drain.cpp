#include "outbox/drain.hpp"

#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <optional>
#include <thread>

#include "fanout/client_socket.hpp"
#include "fanout/cpu_clock.hpp"
#include "fanout/server_process.hpp"

namespace ringcast::bench {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kLook{20};
constexpr std::chrono::seconds kPatience{120};

// A tenant's room. Thread: its own, from construction to the end; what it counts is read after it.
class Subscriber {
 public:
  explicit Subscriber(ClientSocket socket)
      : socket_(std::move(socket)), thread_([this](const std::stop_token& stop) { read(stop); }) {}

  // Waits for the last of what was sent. Error: out of order, or the connection ended.
  Result<std::uint64_t> finish() {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    thread_.request_stop();
    thread_.join();
    if (!good_) return Error{Errc::unavailable, "the subscriber did not get its events in order"};
    return events_;
  }

 private:
  void read(const std::stop_token& stop) {
    std::vector<char> buffer(256 << 10);
    socket_.non_blocking();
    while (good_ && !stop.stop_requested()) {
      const bool alive = socket_.read(buffer, [this](std::string_view message) {
        if (message.find("\"type\":\"kitchen.task.claimed\"") == std::string_view::npos) return;
        const std::uint64_t offset = number_after(message, "\"offset\":", 0);
        good_ = good_ && offset > last_;
        last_ = offset;
        ++events_;
      });
      good_ = good_ && alive;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }

  ClientSocket socket_;
  std::uint64_t last_ = 0;
  std::uint64_t events_ = 0;
  std::atomic<bool> good_ = true;
  std::jthread thread_;
};

Result<std::unique_ptr<Subscriber>> join(std::uint16_t port) {
  auto socket = ClientSocket::connect(port);
  if (!socket) return socket.error();
  std::string frame;
  ClientSocket::append_frame(frame, R"({"type":"subscribe","room":"tenant:t0"})");
  if (auto sent = socket->send(frame); !sent) return sent.error();
  if (auto answer = socket->wait_for("\"subscribed\""); !answer) return answer.error();
  return std::make_unique<Subscriber>(std::move(socket).value());
}

struct Look {
  Clock::time_point at;
  std::uint64_t rows = 0;
  std::uint64_t cpu_ns = 0;
};

}  // namespace

Result<Drain> drain(const std::string& server, const std::string& store,
                    const std::vector<std::string>& arguments, std::uint64_t rows, bool subscribe) {
  auto process = ServerProcess::start(server, store, arguments);
  if (!process) return process.error();
  auto clock = CpuClock::of_process(process->pid());
  if (!clock) return clock.error();
  std::unique_ptr<Subscriber> subscriber;
  if (subscribe) {
    auto joined = join(process->port());
    if (!joined) return joined.error();
    subscriber = std::move(joined).value();
  }
  std::optional<Look> first;
  const auto begin = Clock::now();
  for (;;) {
    const Look look{
        .at = Clock::now(),
        .rows = static_cast<std::uint64_t>(process->metric("ringcast_outbox_rows_total")),
        .cpu_ns = clock->nanoseconds()};
    if (look.rows > 0 && !first) first = look;
    if (look.rows >= rows) {
      const auto counted = static_cast<double>(look.rows - first->rows);
      if (counted < static_cast<double>(rows) / 2)
        return Error{Errc::unavailable, "too few rows to measure: most had gone at the first look"};
      Drain out{
          .rows_a_second = counted / std::chrono::duration<double>(look.at - first->at).count(),
          .cpu_us_a_row = static_cast<double>(look.cpu_ns - first->cpu_ns) / 1e3 / counted};
      if (!subscriber) return out;
      auto delivered = subscriber->finish();
      if (!delivered) return delivered.error();
      out.delivered = *delivered;
      return out;
    }
    if (Clock::now() - begin > kPatience)
      return Error{Errc::unavailable, fmt::format("{} of {} rows after 120 s", look.rows, rows)};
    std::this_thread::sleep_for(kLook);
  }
}

}  // namespace ringcast::bench
