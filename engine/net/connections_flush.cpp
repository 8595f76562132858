// Connections: one send for every dirty session.
#include "net/connections.hpp"
#include "net/http_peer.hpp"

namespace ringcast {

namespace {

// More pieces than this in one send cost more than a second visit of the socket.
constexpr std::size_t kPartsMax = 64;

}  // namespace

void Connections::flush(Instant now) {
  now_ = now;
  // Requests that were read behind one that is answered now; they may write in this tick.
  std::vector<io::SocketId> answered = std::move(answered_);
  answered_.clear();
  for (const io::SocketId socket : answered) {
    Connection* connection = find(socket);
    if (connection == nullptr) continue;
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
      ring_.send(connection.socket(),
                 std::span<const char>(static_cast<const char*>(parts_[0].iov_base), octets));
    else
      ring_.send(connection.socket(), std::span<const iovec>(parts_));
    metrics_.sends.add();
    metrics_.bytes_sent.add(octets);
  }
  // Results come in the order of the sends, so one walk finds them all.
  std::size_t at = 0;
  for (const io::SendResult& result : ring_.flush_sends()) {
    const std::size_t begin = at;
    while (at < sending_.size() && sending_[at].connection->socket() != result.socket) ++at;
    if (at == sending_.size()) {  // not in order after all: look at the others too
      at = 0;
      while (at < begin && sending_[at].connection->socket() != result.socket) ++at;
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
  ring_.watch_writable(connection.socket());
  timers_.cancel(connection.stall_timer);
  connection.stall_timer =
      timers_.schedule(now + std::chrono::seconds(services_.config.limits.write_stall_s),
                       {static_cast<std::uint32_t>(Due::stall), connection.socket()});
}

void Connections::recount_pinned(Connection& connection) {
  pinned_ -= connection.pinned_known;
  connection.pinned_known = connection.session.queue.pinned_bytes();
  pinned_ += connection.pinned_known;
}

}  // namespace ringcast
