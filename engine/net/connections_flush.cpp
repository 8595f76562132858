// Connections: one send for every dirty session, and the end of those that are to be closed.
#include <algorithm>

#include "net/connections.hpp"
#include "net/http_peer.hpp"
#include "wire/websocket_frame.hpp"

namespace ringcast {

namespace {

// More pieces than this in one send cost more than a second visit of the socket.
constexpr std::size_t kPartsMax = 64;

// Something is wrong with the peer, so the log should say so.
bool is_complaint(CloseReason reason) {
  switch (reason) {
    case CloseReason::normal:
    case CloseReason::going_away:
    case CloseReason::restart:
    case CloseReason::token_expired:
    case CloseReason::idle:
    case CloseReason::kicked:
      return false;
    case CloseReason::protocol_error:
    case CloseReason::unsupported_data:
    case CloseReason::invalid_utf8:
    case CloseReason::broken_compression:
    case CloseReason::policy:
    case CloseReason::message_too_large:
    case CloseReason::internal_error:
    case CloseReason::token_refused:
    case CloseReason::too_many_errors:
    case CloseReason::slow_consumer:
    case CloseReason::no_pong:
      return true;
  }
  return true;
}

}  // namespace

void Connections::flush(Instant now) {
  now_ = now;
  // Requests that were read behind one that is answered now; they may write in this tick.
  std::vector<io::SocketId> answered = std::move(answered_);
  answered_.clear();
  for (const io::SocketId socket : answered) {
    Connection* connection = find(socket);
    if (connection == nullptr || connection->mode != Connection::Mode::http) continue;
    const auto unread = std::move(connection->unread);
    ring_.resume_receive(socket);
    read_http(*connection, unread ? std::span<char>(*unread) : std::span<char>(), now);
  }
  std::vector<Session*>& dirty = hub_.audience().dirty();
  flushing_.swap(dirty);
  // Last words do not list a session again: it counts as dirty until all have spoken.
  for (Session* session : flushing_)
    if (session->closing) begin_ending(of(*session), *session->closing, now);
  for (Session* session : flushing_) session->dirty = false;
  send_dirty(now);
  for (const Sending& sending : sending_) close_ended(*sending.connection);
  flushing_.clear();
  sending_.clear();
}

void Connections::send_dirty(Instant now) {
  sending_.clear();
  for (Session* session : flushing_) {
    Connection& connection = of(*session);
    parts_.clear();
    session->queue.gather(parts_, kPartsMax);
    std::size_t octets = 0;
    for (const iovec& part : parts_) octets += part.iov_len;
    sending_.push_back({&connection, parts_.size(), octets, true});
    if (parts_.empty()) continue;
    if (parts_.size() == 1)
      ring_.send(connection.socket,
                 std::span<const char>(static_cast<const char*>(parts_[0].iov_base), octets));
    else
      ring_.send(connection.socket, std::span<const iovec>(parts_));
    metrics_.sends.add();
    metrics_.bytes_sent.add(octets);
  }
  // Results come in the order of the sends, so one walk finds them all.
  std::size_t at = 0;
  for (const io::SendResult& result : ring_.flush_sends()) {
    const std::size_t begin = at;
    while (at < sending_.size() && sending_[at].connection->socket != result.socket) ++at;
    if (at == sending_.size()) {  // not in order after all: look at the others too
      at = 0;
      while (at < begin && sending_[at].connection->socket != result.socket) ++at;
      if (at == begin) continue;
    }
    sending_[at].whole = false;
    sent_part(sending_[at], result.sent, result.error, now);
  }
  for (const Sending& sending : sending_) {
    SendQueue& queue = sending.connection->session.queue;
    if (sending.whole && sending.parts != 0) {
      queue.sent_all(sending.parts);
      if (!queue.empty() && !queue.blocked())
        hub_.audience().mark_dirty(sending.connection->session);
    }
    if (queue.pinned_bytes() != sending.connection->pinned_known)
      recount_pinned(*sending.connection);
  }
  while (pinned_ > services_.config.engine.pinned_bytes_max) evict_largest();
}

void Connections::sent_part(const Sending& sending, std::size_t sent, int error, Instant now) {
  Connection& connection = *sending.connection;
  if (error != 0 && error != EAGAIN) {
    connection.shut = true;
    connection.session.closing = CloseReason::normal;
    connection.session.queue.sent_all(sending.parts);
    return;
  }
  metrics_.short_sends.add();
  connection.session.queue.sent_part(sent);
  hub_.audience().note_losses(connection.session);
  ring_.watch_writable(connection.socket);
  timers_.cancel(connection.stall_timer);
  connection.stall_timer =
      timers_.schedule(now + std::chrono::seconds(services_.config.limits.write_stall_s),
                       {static_cast<std::uint32_t>(Due::stall), connection.socket});
}

void Connections::begin_ending(Connection& connection, CloseReason reason, Instant now) {
  if (connection.mode == Connection::Mode::ending) return;
  metrics_.closed_by_reason(reason).add();
  if (is_complaint(reason))
    log::warning(
        close_lines_[static_cast<std::size_t>(reason)], "connection of {} ended: {}",
        connection.session.user().empty() ? "an anonymous client" : connection.session.user(),
        close_row(reason).text);
  // At once, not when its socket is gone: others should not see somebody linger who can't answer.
  hub_.leave_rooms(connection.session);
  const bool websocket =
      connection.mode == Connection::Mode::native || connection.mode == Connection::Mode::echo;
  connection.mode = Connection::Mode::ending;
  if (websocket && !connection.close_sent && !connection.shut) {
    std::string frame;
    wire::append_close_frame(frame, reason);
    // Not by write(): a queue that is full must still say why it ends, as its last octets.
    hub_.audience().last_words(connection.session, frame);
    connection.close_sent = true;
  }
  ring_.resume_receive(connection.socket);  // to see the peer's end
  // The peer gets so long to take the rest and to close its side.
  arm(connection, now + std::chrono::seconds(services_.config.limits.linger_s));
}

void Connections::close_ended(Connection& connection) {
  if (connection.shut && connection.mode != Connection::Mode::ending)
    return close(connection, "send failed");
  if (connection.mode != Connection::Mode::ending || !connection.session.queue.empty()) return;
  if (connection.shut || connection.peer_ended) return close(connection, "ended");
  connection.shut = true;
  // FIN behind the last octets; the descriptor goes when the peer closes, or at the deadline, so
  // that a reset does not overtake what the peer has not read yet.
  ring_.shutdown_send(connection.socket);
}

void Connections::recount_pinned(Connection& connection) {
  pinned_ -= connection.pinned_known;
  connection.pinned_known = connection.session.queue.pinned_bytes();
  pinned_ += connection.pinned_known;
}

// Whoever holds on to the most goes: one stuck reader must not cost the others their memory.
void Connections::evict_largest() {
  Connection* largest = nullptr;
  for (const auto& connection : by_slot_)
    if (connection && (largest == nullptr || connection->pinned_known > largest->pinned_known))
      largest = connection.get();
  ensure(largest != nullptr && largest->pinned_known != 0, "pinned bytes without a connection");
  metrics_.slow_consumers.add();
  metrics_.evicted.add();
  pinned_ -= largest->pinned_known;
  largest->pinned_known = 0;
  largest->session.queue = {};
  largest->shut = true;  // frames are cut: nothing more may be sent
  hub_.audience().close_session(largest->session, CloseReason::slow_consumer);
}

}  // namespace ringcast
