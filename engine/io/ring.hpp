// The ring: all sockets of one shard behind one wait point.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/ids.hpp"
#include "base/result.hpp"
#include "io/file_descriptor.hpp"
#include "io/socket_address.hpp"

namespace ringcast::io {

using SocketId = SlotId;  // of one ring; verbs on a stale one do nothing

enum class Backend : std::uint8_t { io_uring, epoll };
[[nodiscard]] std::string_view backend_name(Backend backend);

// At least so many octets behind IoEvent::bytes may be read (simdjson wants 64); their value is
// undefined.
inline constexpr std::size_t kReceivePadding = 64;

// The kernel takes no longer vector in one call (IOV_MAX).
inline constexpr std::size_t kVectorsMax = 1024;

struct RingOptions {
  Backend backend = Backend::io_uring;
  std::string reason{};  // why this backend, if it is not the default; shown by describe()
  std::uint32_t sockets_max = 20'000;          // beyond it an accepted connection is closed at once
  std::uint32_t receive_buffer_bytes = 4'096;  // the most one `received` carries
  // Powers of two; doubled when a round runs short, and the first ones alone again after a second
  // without need. The maximum is chosen by memory: 256 are 1 MiB, however many connections there
  // are; a socket that finds none is armed again.
  std::uint32_t receive_buffers_min = 32;
  std::uint32_t receive_buffers_max = 256;
  std::uint32_t events_max = 512;  // per wait(), about
  std::uint32_t submissions = 1'024;
  std::uint32_t completions = 8'192;
  int wake_fd = -1;  // watch this eventfd, which outlives the ring, instead of an own one
};

enum class EventKind : std::uint8_t {
  accepted,        // `socket` is new, `listener` says from where; it is read already
  received,        // `bytes`
  closed_by_peer,  // the peer sends no more (FIN); sending to it may still work
  writable,        // after watch_writable(): the socket takes bytes again, or a send will fail
  failed,          // `error`; the connection is gone, only close() is left to do
  woken,           // somebody wrote to wake_fd(); it is drained
};

struct IoEvent {
  EventKind kind{};
  int error = 0;               // failed: an errno
  SocketId socket{};           // not for `woken`
  std::uint32_t listener = 0;  // accepted: the tag that was given to listen()
  std::span<char> bytes{};     // received: writable, padded, valid until the next wait()
};

// A send that did not go out whole. error 0 or EAGAIN: the socket took `sent` bytes and is full,
// else it is dead.
struct SendResult {
  SocketId socket{};
  std::size_t sent = 0;
  int error = 0;
};

// For metrics and tests; all only grow.
struct RingCounters {
  std::uint64_t waits = 0;  // calls of the kernel that may sleep
  std::uint64_t accepted = 0;
  std::uint64_t refused = 0;            // closed at once: sockets_max
  std::uint64_t accept_exhausted = 0;   // accepting paused for want of descriptors or memory
  std::uint64_t buffers_exhausted = 0;  // a receive found no buffer and was armed again
  std::uint64_t sends_incomplete = 0;
};

// Sockets of one shard: accepts, receives, sends, wakes, behind one wait point. Hides whether
// io_uring or epoll does the work; both do the same, except where a method says so.
//
// Thread: shard; made, used and destroyed in the thread that uses it (an io_uring has one issuer).
// Owns its sockets. Limits: RingOptions; at sockets_max a new connection is closed at once, old
// ones stay; without a free descriptor accepting pauses and is tried again by a timer. On
// destruction every operation is cancelled first, so that the port is free when it returns.
class Ring {
 public:
  // The error says what the kernel refused and how.
  static Result<std::unique_ptr<Ring>> create(const RingOptions& options);

  virtual ~Ring() = default;
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  // Accepts on a listening socket: TCP_NODELAY, TCP_NOTSENT_LOWAT and TCP_USER_TIMEOUT are set on
  // it, since accepted sockets inherit them.
  virtual Result<void> listen(FileDescriptor socket, std::uint32_t tag) = 0;

  // Takes a connected socket, which is read from now on. Error: sockets_max.
  virtual Result<SocketId> adopt(FileDescriptor socket) = 0;

  // Whom it talks to; a call of the kernel, so only for a connection that was just accepted. The
  // error: the peer has gone already.
  [[nodiscard]] virtual Result<SocketAddress> peer(SocketId socket) = 0;

  // Submits what is pending, then waits for an event, a wake or the deadline; a deadline that has
  // passed only polls, Instant::max() waits without one. May return early with nothing. Every send
  // must have been flushed. Events of a socket that is closed while the span is walked stay in it,
  // with the stale id.
  virtual std::span<IoEvent> wait(Instant deadline) = 0;

  // One non-blocking send, at most one a socket until flush_sends(). The bytes must live until
  // flush_sends() has returned; the array of vectors only until this call has (kVectorsMax).
  virtual void send(SocketId socket, std::span<const char> bytes) = 0;
  virtual void send(SocketId socket, std::span<const iovec> vectors) = 0;

  // When it returns no send is in flight. The results are valid until the next send().
  virtual std::span<const SendResult> flush_sends() = 0;

  // One `writable`, once. A second call before that is the same call.
  virtual void watch_writable(SocketId socket) = 0;

  // Back-pressure: after pause_receive() no `received` and no `closed_by_peer` comes until
  // resume_receive(). What the kernel had already handed over is kept until then. A reset during
  // the pause is a `failed` at once under epoll, after resume_receive() under io_uring.
  virtual void pause_receive(SocketId socket) = 0;
  virtual void resume_receive(SocketId socket) = 0;

  // Sends FIN behind what was sent.
  virtual void shutdown_send(SocketId socket) = 0;

  // The id is stale at once and no event comes for it any more; the descriptor goes when no
  // operation is in flight. A send queued before still goes out.
  virtual void close(SocketId socket) = 0;

  // All listeners. A connection that the kernel had accepted already still arrives.
  virtual void pause_accept() = 0;
  virtual void resume_accept() = 0;

  // For a stop: the kernel refuses new connections from the next wait() on. Not to be undone.
  virtual void close_listeners() = 0;

  // An eventfd: a write to it, from any thread, ends wait() with `woken`.
  [[nodiscard]] virtual int wake_fd() const = 0;

  // For the start log, for example "io_uring (DEFER_TASKRUN, multishot receive, ...)".
  [[nodiscard]] virtual std::string describe() const = 0;

  [[nodiscard]] const RingCounters& counters() const { return counters_; }

  // Open sockets, and closed ones whose last operation is still in flight.
  [[nodiscard]] virtual std::uint32_t sockets() const = 0;

 protected:
  Ring() = default;
  RingCounters counters_;
};

}  // namespace ringcast::io
