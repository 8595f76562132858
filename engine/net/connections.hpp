// The connections of one shard: from the ring's events to protocols, and back to sends.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.hpp"
#include "hub/hub.hpp"
#include "io/ring.hpp"
#include "io/timers.hpp"
#include "metrics/shard_metrics.hpp"
#include "net/connection.hpp"
#include "net/services.hpp"
#include "wire/deflate.hpp"
#include "wire/deflate_offer.hpp"

namespace ringcast {

class HttpPeer;
class NativePeer;
class SsePeer;

// Accepts, reads, writes, times and ends connections.
//
// Thread: shard. Lives inside its Shard. At connections_max, and at its address's
// connections_per_address_max, a new connection is closed at once; old ones stay. A connection ends
// in one way: end() or finish() while it is alive, then close when its last octets are out, the
// peer is gone, or a deadline has passed.
class Connections final {
 public:
  Connections(const Services& services, io::Ring& ring, Hub& hub, ShardMetrics& metrics,
              const Clock& clock);
  ~Connections();

  void handle(const io::IoEvent& event, Instant now);
  void run_timers(Instant now);
  [[nodiscard]] Instant next_deadline() const { return timers_.next_deadline(); }

  // One send for every dirty session; then ends those that are to be closed.
  void flush(Instant now);

  // The daemon stops: every WebSocket is told so, requests that are being answered are finished.
  void stop(CloseReason reason, Instant now);
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::uint64_t pinned_bytes() const { return pinned_; }

  // ---- for peers ----
  // Octets behind all that this connection was given before.
  void write(Connection& connection, std::string_view octets);
  // A WebSocket text frame.
  void write_text(Connection& connection, std::string_view json);
  // Ends it for this reason: a close frame where the protocol has one.
  void end(Connection& connection, CloseReason reason);
  // Ends it when what was written is out.
  void finish(Connection& connection);
  void become_websocket(Connection& connection, Connection::Mode mode,
                        const std::optional<wire::DeflateTerms>& deflate, Instant now);
  void become_sse(Connection& connection, Instant now);
  // An HTTP request was answered: goes on with what was read behind it.
  void answered(Connection& connection);
  Connection& of(const Session& session);
  // Sets the timer of a WebSocket or stream to whatever comes first.
  void arm_alive(Connection& connection);
  // Counts an error that a client is told, and logs it: at most a line a second for each code.
  void note_error(std::string_view where, const Error& error);
  // The same under a code of the application's own, which is counted with its handler.
  void note_own_error(std::string_view where, const CallError& error);
  [[nodiscard]] HttpPeer& http_peer() { return *http_peer_; }
  [[nodiscard]] NativePeer& native_peer() { return *native_peer_; }
  [[nodiscard]] SsePeer& sse_peer() { return *sse_peer_; }
  [[nodiscard]] Instant now() const { return now_; }
  [[nodiscard]] WallTime wall() const { return clock_.wall(); }
  [[nodiscard]] Hub& hub() { return hub_; }
  [[nodiscard]] const Services& services() const { return services_; }
  [[nodiscard]] ShardMetrics& metrics() { return metrics_; }

 private:
  struct Sending {
    Connection* connection;
    std::size_t parts;
    std::size_t octets;
    bool whole;
  };
  enum class Due : std::uint32_t { mode, stall };

  Connection* find(io::SocketId socket);
  void accepted(io::SocketId socket, Instant now);
  bool admit(const io::SocketAddress& peer, std::optional<std::uint64_t> address_key);
  void received(Connection& connection, std::span<char> bytes, Instant now);
  void read_http(Connection& connection, std::span<char> bytes, Instant now);
  void read_websocket(Connection& connection, std::span<char> bytes);
  bool websocket_event(Connection& connection, const wire::WebsocketEvent& event);
  void echo(Connection& connection, const wire::WebsocketEvent& event);
  void peer_ended(Connection& connection);
  void refuse_http(Connection& connection, const wire::HttpError& error);
  void arm_http_timer(Connection& connection, Instant now);
  void arm(Connection& connection, Instant when);
  void mode_due(Connection& connection, Instant now);
  void ping_due(Connection& connection, Instant now);
  [[nodiscard]] Instant next_ping(Instant now) const;
  void send_dirty(Instant now);
  void sent_part(const Sending& sending, std::size_t sent, int error, Instant now);
  void close_ended(Connection& connection);
  void begin_ending(Connection& connection, CloseReason reason, Instant now);
  void recount_pinned(Connection& connection);
  void evict_largest();
  void close(Connection& connection, std::string_view why);

  const Services& services_;
  io::Ring& ring_;
  Hub& hub_;
  ShardMetrics& metrics_;
  const Clock& clock_;
  std::unique_ptr<HttpPeer> http_peer_;
  std::unique_ptr<NativePeer> native_peer_;
  std::unique_ptr<SsePeer> sse_peer_;
  io::Timers timers_;
  std::vector<std::unique_ptr<Connection>> by_slot_;
  std::size_t size_ = 0;
  std::uint64_t pinned_ = 0;
  std::vector<Sending> sending_;
  std::vector<iovec> parts_;
  std::vector<Session*> flushing_;
  std::vector<io::SocketId> answered_;
  std::string scratch_;
  wire::Deflater echo_deflater_;
  std::array<log::Limiter, kErrcs> error_lines_;
  log::Limiter own_error_lines_;
  std::array<log::Limiter, kCloseReasonsMax> close_lines_;
  log::Limiter connections_max_lines_;
  log::Limiter address_max_lines_;
  Instant now_{};
  bool stopping_ = false;
};

}  // namespace ringcast
