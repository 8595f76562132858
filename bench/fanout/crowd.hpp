// Subscribers of one room, and the check that each of them got everything in order.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "client_socket.hpp"

namespace ringcast::bench {

// `size` connections behind one epoll. Events carry their number as "bn":N in their data, from 0
// without a hole; anything else is an error that the benchmark ends with.
// Thread: its owner's.
class Crowd {
 public:
  // Connects; subscribes to `room` if it has a name, else the connections are idle.
  static Result<std::unique_ptr<Crowd>> join(std::uint16_t port, const std::string& room,
                                             std::size_t size);
  ~Crowd();
  Crowd(const Crowd&) = delete;
  Crowd& operator=(const Crowd&) = delete;

  // Reads for at most `wait`; `seen` is called for each event with its message.
  Result<void> read(Millis wait, const std::function<void(std::string_view)>& seen = {});
  // Reads until everybody has `count` events in all. Error after 30 s without any.
  Result<void> read_until(std::uint64_t count);

  // Events that the slowest of them has got.
  [[nodiscard]] std::uint64_t deliveries() const { return deliveries_; }
  [[nodiscard]] std::size_t size() const { return clients_.size(); }
  // Octets of the last event with its frame header.
  [[nodiscard]] std::size_t frame_bytes() const { return frame_bytes_; }

 private:
  Crowd() = default;
  struct Member {
    ClientSocket socket;
    std::uint64_t next = 0;
  };
  Result<void> read_member(Member& member, const std::function<void(std::string_view)>& seen);

  int epoll_ = -1;
  std::vector<Member> clients_;
  std::vector<char> buffer_ = std::vector<char>(256 << 10);
  std::uint64_t deliveries_ = 0;
  std::size_t frame_bytes_ = 0;
};

}  // namespace ringcast::bench
