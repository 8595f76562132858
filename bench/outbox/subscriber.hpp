// Who reads a tenant's room while rows come, and believes nothing.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string_view>
#include <thread>
#include <vector>

#include "base/result.hpp"
#include "fanout/client_socket.hpp"

namespace ringcast::bench {

using Clock = std::chrono::steady_clock;

// What must come: `rows` numbers ("bn"), each once, `step` apart. Writer w of `writers` writes
// every `writers`-th of them beginning with the w-th; each writer's come in order.
struct Expected {
  std::uint64_t rows = 0;
  std::uint64_t step = 1;
  std::uint64_t writers = 1;
};

// Thread: its own, from construction to the end; what it knows is read after finish().
class Subscriber {
 public:
  // `look` is called on its thread at the first row, and at the last where their number is known
  // beforehand.
  Subscriber(ClientSocket socket, const Expected& expected, std::function<void()> look = {});

  // Waits for `rows`, then a moment whether one comes twice. Error: one was lost, repeated or out
  // of order.
  Result<void> finish(std::uint64_t rows);
  [[nodiscard]] std::uint64_t rows() const { return rows_; }
  // When its octets could be read, by number / step.
  [[nodiscard]] const std::vector<Clock::time_point>& arrivals() const { return arrivals_; }

 private:
  void read(const std::stop_token& stop);
  void take(std::string_view message, Clock::time_point now);

  ClientSocket socket_;
  Expected expected_;
  std::function<void()> look_;
  std::vector<std::uint64_t> next_;
  std::vector<Clock::time_point> arrivals_;
  std::string problem_;
  std::atomic<std::uint64_t> rows_ = 0;
  std::atomic<bool> good_ = true;
  std::jthread thread_;
};

}  // namespace ringcast::bench
