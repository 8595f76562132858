// The ring on epoll, for where io_uring is refused.
#pragma once

#include <sys/epoll.h>
#include <sys/socket.h>

#include <string>
#include <vector>

#include "base/slot_map.hpp"
#include "io/accept_gate.hpp"
#include "io/buffer_pool.hpp"
#include "io/ring.hpp"

namespace ringcast::io {

// Level-triggered epoll: what one wait() does not read is reported by the next. Sends go out inside
// send(), only their results wait for flush_sends(). Thread: shard. Lifetime and limits: Ring.
class EpollRing final : public Ring {
 public:
  static Result<std::unique_ptr<Ring>> create(const RingOptions& options);

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
  // What a socket is registered with. `none` still hears of errors, `absent` of nothing: the state
  // of a dead socket that its owner has not closed yet, or would be reported for ever.
  struct Socket {
    FileDescriptor fd{};
    std::uint32_t flush = 0;  // the number of the flush that its last send belongs to
    std::uint32_t interest = 0;
    bool registered : 1 = false;
    bool paused : 1 = false;
    bool ended : 1 = false;  // nothing more will be received
    bool watching_writable : 1 = false;
  };
  struct Listener {
    FileDescriptor fd{};
    std::uint32_t tag = 0;
    bool registered = false;
  };

  explicit EpollRing(const RingOptions& options);
  Result<void> start();

  [[nodiscard]] SocketId insert(FileDescriptor fd);
  [[nodiscard]] int control(int operation, int fd, std::uint32_t events, std::uint64_t data);
  void apply_interest(SocketId id, Socket& socket);
  void apply_gate();
  [[nodiscard]] int sleep(Instant until, Instant now);
  void handle(const epoll_event& event);
  void on_acceptable(Listener& listener);
  void on_readable(SocketId id, Socket& socket);
  void on_hangup(SocketId id, Socket& socket);
  void on_wake();
  void transmit(SocketId id, const msghdr& message);

  RingOptions options_;
  BufferPool pool_;
  std::uint32_t buffers_used_ = 0;
  FileDescriptor epoll_;
  FileDescriptor own_wake_;
  int wake_fd_ = -1;
  SlotMap<Socket> sockets_;
  std::vector<Listener> listeners_;
  AcceptGate gate_;
  std::uint32_t flush_ = 1;
  bool sending_ = false;
  std::vector<IoEvent> events_;
  std::vector<epoll_event> ready_;
  std::vector<SendResult> results_;
};

}  // namespace ringcast::io
