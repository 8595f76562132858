#include "limit.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <semaphore>
#include <string>
#include <thread>
#include <vector>

#include "cpu_clock.hpp"
#include "io/ring.hpp"

namespace ringcast::bench {

namespace {

class RingLimit final : public Limit {
 public:
  RingLimit() = default;
  RingLimit(const RingLimit&) = delete;
  RingLimit& operator=(const RingLimit&) = delete;
  ~RingLimit() override {
    drainer_.request_stop();
    full_.release();
  }

  Result<void> prepare(std::size_t sockets) {
    io::RingOptions options;
    options.sockets_max = static_cast<std::uint32_t>(sockets + 16);
    auto ring = io::Ring::create(options);
    if (!ring) return ring.error();
    ring_ = std::move(ring).value();
    auto clock = CpuClock::of_this_thread();
    if (!clock) return clock.error();
    clock_ = std::move(clock).value();
    const io::FileDescriptor listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* where = reinterpret_cast<sockaddr*>(&address);
    if (::bind(listener.get(), where, size) != 0 || ::listen(listener.get(), 1'024) != 0 ||
        ::getsockname(listener.get(), where, &size) != 0)
      return {Errc::unavailable, "limit: no listener"};
    for (std::size_t i = 0; i < sockets; ++i) {
      io::FileDescriptor receiver(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
      if (::connect(receiver.get(), where, size) != 0)
        return {Errc::unavailable, "limit: no connection"};
      io::FileDescriptor sender(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
      const int on = 1;
      ::setsockopt(sender.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      ::fcntl(receiver.get(), F_SETFL, O_NONBLOCK);
      auto adopted = ring_->adopt(std::move(sender));
      if (!adopted) return adopted.error();
      senders_.push_back(*adopted);
      receivers_.push_back(std::move(receiver));
    }
    drainer_ = std::jthread([this](const std::stop_token& stop) { drain(stop); });
    return {};
  }

  Result<double> run(std::size_t frame_bytes, std::size_t messages, int rounds) override {
    const std::string slice(frame_bytes * messages, 'x');
    std::uint64_t spent = 0;
    for (int round = 0; round < rounds; ++round) {
      const std::uint64_t before = clock_.nanoseconds();
      for (const io::SocketId socket : senders_) ring_->send(socket, slice);
      const bool whole = ring_->flush_sends().empty();
      spent += clock_.nanoseconds() - before;
      if (!whole) return {Errc::internal, "limit: a socket was full"};
      full_.release();
      drained_.acquire();
      std::ignore = ring_->wait(Instant{});
    }
    return static_cast<double>(spent) /
           static_cast<double>(senders_.size() * messages * static_cast<std::size_t>(rounds));
  }

 private:
  // In a thread of its own, as the server's clients are: else the receivers' half of each socket
  // pushes the senders' out of the cache, and the limit is higher than the server.
  void drain(const std::stop_token& stop) {
    for (full_.acquire(); !stop.stop_requested(); full_.acquire()) {
      for (const io::FileDescriptor& receiver : receivers_)
        while (::recv(receiver.get(), buffer_.data(), buffer_.size(), 0) > 0) {
        }
      drained_.release();
    }
  }

  std::unique_ptr<io::Ring> ring_;
  CpuClock clock_;
  std::vector<io::SocketId> senders_;
  std::vector<io::FileDescriptor> receivers_;
  std::vector<char> buffer_ = std::vector<char>(64 << 10);
  std::binary_semaphore full_{0};
  std::binary_semaphore drained_{0};
  std::jthread drainer_;
};

}  // namespace

Result<std::unique_ptr<Limit>> Limit::open(std::size_t sockets) {
  auto limit = std::make_unique<RingLimit>();
  if (auto prepared = limit->prepare(sockets); !prepared) return prepared.error();
  return std::unique_ptr<Limit>(std::move(limit));
}

}  // namespace ringcast::bench
