// The ring on io_uring.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/slot_map.hpp"
#include "io/accept_gate.hpp"
#include "io/buffer_ring.hpp"
#include "io/ring.hpp"
#include "io/uring_queue.hpp"
#include "io/uring_sender.hpp"

namespace ringcast::io {

// Multishot accepts and receives into a provided buffer ring, sends in slices, one-shot polls for
// `writable` and the wake. Thread: shard. Lifetime and limits: Ring.
//
// A socket is armed (a receive, a poll) or not; every operation ends with one last completion, also
// a cancelled one, and only then may the descriptor be closed: close() marks, cancels and leaves
// the rest to the completions.
class UringRing final : public Ring {
 public:
  static Result<std::unique_ptr<Ring>> create(const RingOptions& options);
  ~UringRing() override;

  Result<void> listen(FileDescriptor socket, std::uint32_t tag) override;
  Result<SocketId> adopt(FileDescriptor socket) override;
  [[nodiscard]] Result<SocketAddress> peer(SocketId socket) override;
  std::span<IoEvent> wait(Instant deadline) override;
  void send(SocketId socket, std::span<const char> bytes) override;
  void send(SocketId socket, std::span<const iovec> vectors) override;
  std::span<const SendResult> flush_sends() override;
  void watch_writable(SocketId socket) override;
  void pause_receive(SocketId socket) override;
  void resume_receive(SocketId socket) override;
  void shutdown_send(SocketId socket) override;
  void close(SocketId socket) override;
  void pause_accept() override;
  void resume_accept() override;
  void close_listeners() override;
  [[nodiscard]] int wake_fd() const override { return wake_fd_; }
  [[nodiscard]] std::string describe() const override;
  [[nodiscard]] std::uint32_t sockets() const override { return sockets_.size(); }

 private:
  struct Socket {
    FileDescriptor fd{};
    std::uint32_t flush = 0;  // the number of the flush that its last send belongs to
    bool receiving : 1 = false;
    bool receive_cancelled : 1 = false;
    bool polling : 1 = false;
    bool paused : 1 = false;
    bool ended : 1 = false;  // nothing more will be received
    bool closing : 1 = false;
  };
  struct Listener {
    FileDescriptor fd{};
    std::uint32_t tag = 0;
    bool accepting = false;
    bool cancelled = false;
    bool broken = false;
    bool closing = false;
  };
  // What the kernel had received for a socket when its receive was paused.
  struct Held {
    IoEvent event;
    std::vector<char> bytes;
  };

  explicit UringRing(const RingOptions& options);
  Result<void> start();

  [[nodiscard]] Socket* open_socket(SocketId id);
  [[nodiscard]] Socket* sendable(SocketId id);
  [[nodiscard]] SocketId insert(FileDescriptor fd);
  [[nodiscard]] Instant shrink_at() const;
  void arm();
  void arm_receive(SocketId id, Socket& socket);
  void cancel_receive(SocketId id, Socket& socket);
  void cancel_accept(std::uint32_t index);
  void emit_held();

  void handle(const Completion& completion);
  void on_accept(const Completion& completion);
  void on_connection(const Listener& listener, int fd);
  void on_receive(const Completion& completion);
  void on_writable(const Completion& completion);
  void on_wake(const Completion& completion);
  void report(const Socket& socket, const IoEvent& event);
  void release_if_idle(SocketId id, Socket& socket);

  RingOptions options_;
  // In this order: the kernel writes into the buffers until the queue is gone.
  BufferRing buffers_;
  std::unique_ptr<UringQueue> queue_;
  std::unique_ptr<UringSender> sender_;

  SlotMap<Socket> sockets_;
  std::vector<Listener> listeners_;
  AcceptGate gate_;
  FileDescriptor own_wake_;
  int wake_fd_ = -1;
  bool watching_wake_ = false;
  bool starved_ = false;
  std::uint32_t flush_ = 1;
  std::string setup_;

  std::vector<IoEvent> events_;
  std::vector<SocketId> to_arm_;
  std::vector<Held> held_;
  std::vector<Held> lent_;  // held before, in the caller's hands until the next wait()
};

}  // namespace ringcast::io
