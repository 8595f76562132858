#include "receive_limit.hpp"

#include <sys/socket.h>

#include <semaphore>
#include <string>
#include <thread>
#include <vector>

#include "socket_pairs.hpp"

namespace ringcast::bench {

namespace {

constexpr std::size_t kPingBytes = 2;
constexpr std::size_t kPongBytes = 6;

class RingReceiveLimit final : public ReceiveLimit {
 public:
  RingReceiveLimit() = default;
  RingReceiveLimit(const RingReceiveLimit&) = delete;
  RingReceiveLimit& operator=(const RingReceiveLimit&) = delete;
  ~RingReceiveLimit() override {
    clients_.request_stop();
    begin_.release();
  }

  Result<void> prepare(std::size_t sockets) {
    auto bare = BareRing::open(sockets);
    if (!bare) return bare.error();
    bare_ = std::move(bare).value();
    got_.resize(sockets + 16);
    clients_ = std::jthread([this](const std::stop_token& stop) { play_clients(stop); });
    return {};
  }

  Result<double> run(std::size_t request_bytes, std::size_t answer_bytes, int rounds) override {
    request_ = std::string(request_bytes, 'x');
    const std::string answer(answer_bytes, 'y');
    return measure(rounds, false, [&](io::SocketId socket) {
      if (!answer.empty()) bare_.ring->send(socket, answer);
    });
  }

  Result<double> ping(int rounds) override {
    request_ = std::string(kPongBytes, 'x');
    return measure(rounds, true, [](io::SocketId) {});
  }

 private:
  template <class WhenWhole>
  Result<double> measure(int rounds, bool ping_first, WhenWhole when_whole) {
    const std::string ping(kPingBytes, 'p');
    std::uint64_t spent = 0;
    for (int round = 0; round < rounds; ++round) {
      std::fill(got_.begin(), got_.end(), std::size_t{0});
      std::size_t whole = 0;
      const std::uint64_t before = bare_.clock.nanoseconds();
      if (ping_first)
        for (const io::SocketId socket : bare_.pairs.servers) bare_.ring->send(socket, ping);
      if (!bare_.ring->flush_sends().empty()) return {Errc::internal, "limit: a socket was full"};
      begin_.release();
      while (whole < bare_.pairs.servers.size()) {
        for (const io::IoEvent& event : bare_.ring->wait(Instant::max())) {
          if (event.kind != io::EventKind::received) continue;
          if ((got_[event.socket.index] += event.bytes.size()) < request_.size()) continue;
          ++whole;
          when_whole(event.socket);
        }
        if (!bare_.ring->flush_sends().empty()) return {Errc::internal, "limit: a socket was full"};
      }
      spent += bare_.clock.nanoseconds() - before;
      done_.release();  // all answers are out: they can be drained
      drained_.acquire();
    }
    return static_cast<double>(spent) /
           static_cast<double>(bare_.pairs.servers.size() * static_cast<std::size_t>(rounds));
  }

  void play_clients(const std::stop_token& stop) {
    std::vector<char> buffer(64 << 10);
    for (begin_.acquire(); !stop.stop_requested(); begin_.acquire()) {
      for (const io::FileDescriptor& client : bare_.pairs.clients)
        std::ignore = ::send(client.get(), request_.data(), request_.size(), MSG_NOSIGNAL);
      done_.acquire();
      for (const io::FileDescriptor& client : bare_.pairs.clients)
        while (::recv(client.get(), buffer.data(), buffer.size(), 0) > 0) {
        }
      drained_.release();
    }
  }

  BareRing bare_;
  std::vector<std::size_t> got_;  // octets of this round, by slot
  std::string request_;
  std::binary_semaphore begin_{0};
  std::binary_semaphore done_{0};
  std::binary_semaphore drained_{0};
  std::jthread clients_;
};

}  // namespace

Result<std::unique_ptr<ReceiveLimit>> ReceiveLimit::open(std::size_t sockets) {
  auto limit = std::make_unique<RingReceiveLimit>();
  if (auto prepared = limit->prepare(sockets); !prepared) return prepared.error();
  return std::unique_ptr<ReceiveLimit>(std::move(limit));
}

}  // namespace ringcast::bench
