// Connections: how one ends that is not simply gone.
#include "net/connections.hpp"
#include "wire/websocket_frame.hpp"

namespace ringcast {

namespace {

// Something is wrong with the peer, so the log should say so.
bool is_complaint(CloseReason reason) {
  switch (reason) {
    case CloseReason::normal:
    case CloseReason::going_away:
    case CloseReason::restart:
    case CloseReason::token_expired:
    case CloseReason::idle:
    case CloseReason::kicked:
    case CloseReason::refused:
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
  ring_.resume_receive(connection.socket());  // to see the peer's end
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
  ring_.shutdown_send(connection.socket());
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
