// Sends of one flush, in slices.
#pragma once

#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "io/uring_queue.hpp"

namespace ringcast::io {

// Collects sends and submits them in slices: large enough that the cost of entering the kernel is
// gone, small enough that nothing of the shard waits for long. A send never waits for its socket
// (MSG_DONTWAIT), so when a slice is submitted its sends are finished, and only those that did not
// go out whole have left a completion.
//
// Thread: shard. Lives inside a ring. At kSliceMax sends, or kVectorsMax vectors, a slice is
// submitted by itself.
class UringSender {
 public:
  static constexpr std::size_t kSliceMax = 128;

  // Whether successful sends leave no completion; see probe_uring().
  enum class Successes { silent, reported };
  static constexpr int kFlags = MSG_DONTWAIT | MSG_WAITALL | MSG_NOSIGNAL;

  UringSender(UringQueue& queue, Successes successes) : queue_(queue), successes_(successes) {}

  void add(SocketId socket, int fd, std::span<const char> bytes);
  void add(SocketId socket, int fd, std::span<const iovec> vectors);

  // Returns when every send so far is finished.
  void submit();

  // The sends since the last flush that did not go out whole; valid until the next add().
  [[nodiscard]] std::span<const SendResult> flush();

  // True between the first add() and flush().
  [[nodiscard]] bool busy() const { return busy_; }

 private:
  struct Queued {
    SocketId socket;
    std::size_t bytes = 0;
  };

  io_uring_sqe& enqueue(SocketId socket, std::size_t bytes);
  void finish(io_uring_sqe& entry);
  void note(const Completion& completion);

  UringQueue& queue_;
  Successes successes_;
  bool busy_ = false;
  std::size_t count_ = 0;
  std::size_t unreported_ = 0;
  std::array<Queued, kSliceMax> slice_{};
  std::array<msghdr, kSliceMax> messages_{};
  std::array<iovec, kVectorsMax> vectors_{};
  std::size_t vectors_count_ = 0;
  std::vector<SendResult> results_;
};

}  // namespace ringcast::io
