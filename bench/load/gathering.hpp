// All clients of one run: subscribers in rooms, whoever publishes, and the check that every
// subscriber got every event of its room, in each publisher's order, once.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "dialect.hpp"
#include "fanout/client_socket.hpp"
#include "inflated_frames.hpp"
#include "latencies.hpp"

namespace ringcast::bench {

struct Shape {
  std::size_t rooms = 1;
  std::size_t per_room = 1'000;
  bool members_publish = false;  // false: one further connection publishes into all rooms
  std::size_t payload_bytes = 128;
  bool rows = false;  // payloads are JSON rows, else they are padded with one letter
};

// Connections behind one epoll. The data of an event is {"bs":source,"bn":number,"bt":time,...}; a
// source numbers its events from 0. Thread: its owner's.
class Gathering {
 public:
  static Result<std::unique_ptr<Gathering>> join(std::uint16_t port, std::string_view protocol,
                                                 const Shape& shape);
  ~Gathering();
  Gathering(const Gathering&) = delete;
  Gathering& operator=(const Gathering&) = delete;

  // Prepares the next publication: rooms take turns, or members do. `time` is when it was due.
  void publish(std::uint64_t time);
  // Sends what was prepared.
  Result<void> flush();
  // Reads for at most `wait`; latencies, if wanted, are from `time` of the publication.
  Result<void> read(std::chrono::nanoseconds wait, Latencies* latencies);
  // Reads until everything published has arrived. Error after 30 s without a delivery.
  Result<void> settle(Latencies* latencies);
  // Error unless everybody has all that was published, which settle() only counts.
  [[nodiscard]] Result<void> check_complete() const;

  [[nodiscard]] std::uint64_t deliveries() const { return deliveries_; }
  // That all members have read, protocol and all.
  [[nodiscard]] std::uint64_t octets() const;
  [[nodiscard]] std::size_t size() const { return members_.size(); }
  [[nodiscard]] static std::uint64_t now_ns();

 private:
  struct Member {
    ClientSocket socket;
    std::size_t room;
    std::vector<std::uint32_t> next;  // by the publisher's place in the room
  };

  Gathering() = default;
  Result<void> enter_all(std::uint16_t port, const Dialect& dialect, std::size_t first,
                         std::size_t last);
  Result<void> add_publisher(std::uint16_t port, std::string_view protocol);
  void watch(int fd, std::uint64_t tag) const;
  Result<void> read_member(Member& member, Latencies* latencies);
  Result<void> read_publisher();
  bool take(Member& member, std::string_view message, Latencies* latencies);

  Shape shape_;
  std::unique_ptr<Dialect> dialect_;
  std::unique_ptr<Dialect> publisher_dialect_;
  int epoll_ = -1;
  std::vector<Member> members_;
  std::unique_ptr<ClientSocket> publisher_;
  std::vector<char> buffer_ = std::vector<char>(256 << 10);
  std::vector<std::string> room_names_;
  std::vector<std::uint32_t> sent_;  // by source
  std::uint64_t publications_ = 0;
  std::uint64_t deliveries_ = 0;
  std::uint64_t now_ = 0;
  std::string prepared_;
  std::vector<std::string> rows_;  // publications take turns
  InflatedFrames inflated_;
  std::string wrong_;
};

}  // namespace ringcast::bench
