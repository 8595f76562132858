#include "limit.hpp"

#include <sys/socket.h>

#include <semaphore>
#include <string>
#include <thread>
#include <vector>

#include "socket_pairs.hpp"

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
    auto bare = BareRing::open(sockets);
    if (!bare) return bare.error();
    bare_ = std::move(bare).value();
    drainer_ = std::jthread([this](const std::stop_token& stop) { drain(stop); });
    return {};
  }

  Result<double> run(std::size_t frame_bytes, std::size_t messages, int rounds) override {
    const std::string slice(frame_bytes * messages, 'x');
    std::uint64_t spent = 0;
    for (int round = 0; round < rounds; ++round) {
      const std::uint64_t before = bare_.clock.nanoseconds();
      for (const io::SocketId socket : bare_.pairs.servers) bare_.ring->send(socket, slice);
      const bool whole = bare_.ring->flush_sends().empty();
      spent += bare_.clock.nanoseconds() - before;
      if (!whole) return {Errc::internal, "limit: a socket was full"};
      full_.release();
      drained_.acquire();
      std::ignore = bare_.ring->wait(Instant{});
    }
    return static_cast<double>(spent) / static_cast<double>(bare_.pairs.servers.size() * messages *
                                                            static_cast<std::size_t>(rounds));
  }

 private:
  // In a thread of its own, as the server's clients are: else the receivers' half of each socket
  // pushes the senders' out of the cache, and the limit is higher than the server.
  void drain(const std::stop_token& stop) {
    for (full_.acquire(); !stop.stop_requested(); full_.acquire()) {
      for (const io::FileDescriptor& receiver : bare_.pairs.clients)
        while (::recv(receiver.get(), buffer_.data(), buffer_.size(), 0) > 0) {
        }
      drained_.release();
    }
  }

  BareRing bare_;
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
