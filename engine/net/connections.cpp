#include "net/connections.hpp"

#include "net/address_key.hpp"
#include "net/http_peer.hpp"
#include "net/native_peer.hpp"
#include "net/sse_peer.hpp"
#include "wire/http_response.hpp"

namespace ringcast {

Connections::Connections(const Services& services, io::Ring& ring, Hub& hub, ShardMetrics& metrics,
                         const Clock& clock)
    : services_(services),
      ring_(ring),
      hub_(hub),
      metrics_(metrics),
      clock_(clock),
      http_peer_(std::make_unique<HttpPeer>(*this)),
      native_peer_(std::make_unique<NativePeer>(*this)),
      sse_peer_(std::make_unique<SsePeer>(*this)),
      timers_(2 * services.config.listen.connections_max + 16),
      echo_deflater_(services.config.listen.compress_bytes_min),
      now_(clock.now()) {}

// The loop ends with its connections: at a stop's deadline some may be left.
Connections::~Connections() {
  for (auto& connection : by_slot_)
    if (connection) close(*connection, "stop");
}

Connection* Connections::find(io::SocketId socket) {
  if (socket.index >= by_slot_.size()) return nullptr;
  Connection* connection = by_slot_[socket.index].get();
  return connection != nullptr && connection->socket() == socket ? connection : nullptr;
}

Connection& Connections::of(const Session& session) {
  Connection* connection = find(session.id.slot);
  ensure(connection != nullptr, "a session without its connection");
  return *connection;
}

void Connections::handle(const io::IoEvent& event, Instant now) {
  now_ = now;
  if (event.kind == io::EventKind::accepted) return accepted(event.socket, now);
  Connection* connection = find(event.socket);
  if (connection == nullptr) return;
  switch (event.kind) {
    case io::EventKind::accepted:
    case io::EventKind::woken:
      return;
    case io::EventKind::received:
      received(*connection, event.bytes, now);
      break;
    case io::EventKind::closed_by_peer:
      peer_ended(*connection);
      return;
    case io::EventKind::failed:
      close(*connection, "peer");
      return;
    case io::EventKind::writable:
      timers_.cancel(connection->stall_timer);
      connection->stall_timer = {};
      connection->session.queue.unblock();
      hub_.audience().mark_dirty(connection->session);
      break;
  }
}

void Connections::accepted(io::SocketId socket, Instant now) {
  const auto peer = ring_.peer(socket);
  if (!peer) return ring_.close(socket);  // a reset came first: there is nobody to serve
  const auto key = address_key(*peer);
  if (!admit(*peer, key)) return ring_.close(socket);
  if (socket.index >= by_slot_.size()) by_slot_.resize(socket.index + 1);
  const ConnectionId id{hub_.mesh().self(), socket};
  by_slot_[socket.index] = std::make_unique<Connection>(id, *http_peer_, services_.http_limits,
                                                        services_.websocket_limits);
  ++size_;
  metrics_.accepted.add();
  Connection& connection = *by_slot_[socket.index];
  if (key)
    connection.address_key = *key;
  else
    connection.from = Connection::From::unix_socket;
  hub_.open(connection.session);
  arm(connection, now + std::chrono::seconds(services_.config.limits.header_timeout_s));
}

// Takes its places. Who finds none is closed without a word: an answer would cost more than the
// connection, and who floods does not read it.
bool Connections::admit(const io::SocketAddress& peer, std::optional<std::uint64_t> key) {
  const ListenConfig& listen = services_.config.listen;
  if (stopping_) {
    metrics_.refused_while_stopping.add();
    return false;
  }
  if (!services_.connections->take()) {
    metrics_.refused_at_connections_max.add();
    log::warning(connections_max_lines_, "connection of {} refused: listen.connections_max is {}",
                 peer.to_string(), listen.connections_max);
    return false;
  }
  if (!key || services_.connections_by_address->take(*key)) return true;
  services_.connections->give_back();
  metrics_.refused_at_address_max.add();
  log::warning(address_max_lines_,
               "connection of {} refused: listen.connections_per_address_max is {}",
               peer.to_string(), listen.connections_per_address_max);
  return false;
}

void Connections::received(Connection& connection, std::span<char> bytes, Instant now) {
  metrics_.bytes_received.add(bytes.size());
  connection.pong_due = Instant::max();  // whatever it says, it is alive
  switch (connection.mode) {
    case Connection::Mode::http:
      return read_http(connection, bytes, now);
    case Connection::Mode::native:
    case Connection::Mode::echo:
      // What came while the application was asked has its turn at the end of the tick.
      if (!connection.unread) return read_websocket(connection, bytes);
      connection.unread->append(bytes.data(), bytes.size());
      return;
    case Connection::Mode::sse:
      return;  // a stream's client has nothing to say
    case Connection::Mode::ending:
      // The answer to our close frame, or what was on its way: the end does not wait for it.
      if (connection.upgraded) read_websocket(connection, bytes);
      return;
  }
}

void Connections::read_http(Connection& connection, std::span<char> bytes, Instant now) {
  while (connection.mode == Connection::Mode::http && !connection.session.closing) {
    // What was read behind an answered request comes first, at the end of the tick.
    if (connection.answering || connection.unread) {
      // While the hub has the request nothing is due from the client: the answer always comes.
      timers_.cancel(connection.timer);
      connection.timer = {};
      if (bytes.empty()) return;
      if (!connection.unread) connection.unread = std::make_unique<std::string>();
      connection.unread->append(bytes.data(), bytes.size());
      ring_.pause_receive(connection.socket());
      return;
    }
    if (bytes.empty()) break;
    bytes = bytes.subspan(connection.parser.feed({bytes.data(), bytes.size()}));
    switch (connection.parser.state()) {
      case wire::HttpParserState::idle:
      case wire::HttpParserState::header:
        break;
      case wire::HttpParserState::body:
        if (connection.parser.expects_continue()) write(connection, wire::kContinueResponse);
        break;
      case wire::HttpParserState::failed:
        return refuse_http(connection, connection.parser.error());
      case wire::HttpParserState::complete:
        metrics_.http_requests.add();
        connection.reading = connection.reading_body = false;
        http_peer_->handle(connection, connection.parser.take());
        break;
    }
  }
  if (connection.session.closing) return;
  if (connection.mode == Connection::Mode::http) {
    if (connection.peer_ended && !connection.answering) return finish(connection);
    return arm_http_timer(connection, now);
  }
  // The request was an upgrade: what is left is of the new protocol.
  if (connection.peer_ended) return finish(connection);
  if (!bytes.empty() && connection.upgraded) read_websocket(connection, bytes);
}

// RFC 9112 section 9.6: who has sent everything may close that side and still read the answers. In
// the other protocols a half-closed client has nothing more to hear.
void Connections::peer_ended(Connection& connection) {
  const bool asked = connection.answering || connection.unread;
  const bool owed = asked || !connection.session.queue.empty();
  if (connection.mode != Connection::Mode::http || !owed) return close(connection, "peer");
  connection.peer_ended = true;
  if (!asked) finish(connection);
}

void Connections::refuse_http(Connection& connection, const wire::HttpError& error) {
  metrics_.http_refused.add();
  const bool too_large = error.status == 413 || error.status == 414 || error.status == 431;
  note_error("request", {too_large ? Errc::payload_too_large : Errc::validation, error.detail});
  std::string out;
  wire::append_response(out, wire::error_response(error, Uuid::random().text()),
                        wire::HttpPersistence::close);
  write(connection, out);
  finish(connection);
}

void Connections::note_error(std::string_view where, const Error& error) {
  metrics_.errors(error.code).add();
  log::warning(error_lines_[static_cast<std::size_t>(error.code)], "{} refused: {} {}", where,
               error_code(error.code).code, error.detail);
}

void Connections::note_own_error(std::string_view where, const CallError& error) {
  log::warning(own_error_lines_, "{} refused: {} {}", where, error.code.text(), error.message);
}

void Connections::answered(Connection& connection) {
  connection.answering = false;
  answered_.push_back(connection.socket());
}

void Connections::read_websocket(Connection& connection, std::span<char> bytes) {
  while (!connection.websocket.ended()) {
    const wire::WebsocketEvent event = connection.websocket.next(bytes);
    if (event.kind == wire::WebsocketEventKind::need_more) return;
    metrics_.frames_received.add();
    if (!websocket_event(connection, event)) return;
  }
}

// False: nothing more is read of this connection.
bool Connections::websocket_event(Connection& connection, const wire::WebsocketEvent& event) {
  const bool ending = connection.mode == Connection::Mode::ending;
  switch (event.kind) {
    case wire::WebsocketEventKind::need_more:
      return false;
    case wire::WebsocketEventKind::text:
    case wire::WebsocketEventKind::binary:
      if (ending) return true;
      metrics_.messages_received.add();
      if (connection.mode == Connection::Mode::echo) {
        echo(connection, event);
      } else if (event.kind == wire::WebsocketEventKind::binary) {
        end(connection, CloseReason::unsupported_data);
      } else {
        native_peer_->message(connection, event.data);
      }
      return !connection.session.closing;
    case wire::WebsocketEventKind::ping:
      if (ending) return true;
      scratch_.clear();
      wire::append_frame(scratch_, wire::WebsocketOpcode::pong, event.data);
      write(connection, scratch_);
      return true;
    case wire::WebsocketEventKind::pong:
      return true;
    case wire::WebsocketEventKind::close:
      // RFC 6455 section 5.5.1: answer with the same code, then close.
      if (!connection.close_sent) {
        scratch_.clear();
        wire::append_close_frame(scratch_, event.close_code, {});
        write(connection, scratch_);
        connection.close_sent = true;
      }
      // Both have said it: nothing is waited for any more (section 7.1.1).
      connection.peer_ended = true;
      finish(connection);
      hub_.audience().mark_dirty(connection.session);
      return false;
    case wire::WebsocketEventKind::failed:
      end(connection, event.reason);
      return false;
  }
  return false;
}

void Connections::echo(Connection& connection, const wire::WebsocketEvent& event) {
  const auto opcode = event.kind == wire::WebsocketEventKind::text ? wire::WebsocketOpcode::text
                                                                   : wire::WebsocketOpcode::binary;
  scratch_.clear();
  if (connection.session.encoding == Encoding::native_deflate)
    echo_deflater_.append_frame(scratch_, opcode, event.data);
  else
    wire::append_frame(scratch_, opcode, event.data);
  write(connection, scratch_);
}

void Connections::write(Connection& connection, std::string_view octets) {
  hub_.audience().reply(connection.session, octets);
}

void Connections::write_text(Connection& connection, std::string_view json) {
  scratch_.clear();
  wire::append_frame(scratch_, wire::WebsocketOpcode::text, json);
  write(connection, scratch_);
}

void Connections::end(Connection& connection, CloseReason reason) {
  hub_.audience().close_session(connection.session, reason);
}

void Connections::finish(Connection& connection) { end(connection, CloseReason::normal); }

void Connections::become_websocket(Connection& connection, Connection::Mode mode,
                                   const std::optional<wire::DeflateTerms>& deflate, Instant now) {
  connection.mode = mode;
  using Compression = wire::WebsocketParser::Compression;
  connection.upgraded = true;
  connection.websocket = wire::WebsocketParser(services_.websocket_limits,
                                               deflate ? Compression::deflate : Compression::none);
  connection.session.peer = native_peer_.get();
  connection.session.encoding =
      deflate && deflate->reads_shared_frames() ? Encoding::native_deflate : Encoding::native;
  connection.ping_due = next_ping(now);
  metrics_.websockets_opened.add();
  arm_alive(connection);
}

void Connections::become_sse(Connection& connection, Instant now) {
  connection.mode = Connection::Mode::sse;
  connection.answering = false;
  connection.session.peer = sse_peer_.get();
  connection.session.encoding = Encoding::sse;
  if (connection.peer_ended || stopping_) return finish(connection);
  connection.unread.reset();  // nothing more is read, but the peer's end has to be seen
  ring_.resume_receive(connection.socket());
  connection.ping_due = next_ping(now);
  metrics_.streams_opened.add();
  arm_alive(connection);
}

void Connections::stop(CloseReason reason, Instant now) {
  now_ = now;
  stopping_ = true;
  ring_.close_listeners();
  for (const auto& connection : by_slot_) {
    if (!connection) continue;
    const bool idle = connection->mode == Connection::Mode::http && !connection->answering &&
                      connection->session.queue.empty() &&
                      connection->parser.state() == wire::HttpParserState::idle;
    if (idle) {  // nothing is owed: who keeps it open for later must not hold up the stop
      close(*connection, "stop");
      continue;
    }
    connection->keep_alive = false;  // a request that waits for its answer still gets it
    if (!connection->answering) end(*connection, reason);
  }
}

void Connections::close(Connection& connection, std::string_view why) {
  log::debug("connection {}/{} closed: {}", connection.session.id.shard.value,
             connection.socket().index, why);
  hub_.close(connection.session);
  timers_.cancel(connection.timer);
  timers_.cancel(connection.stall_timer);
  pinned_ -= connection.pinned_known;
  ring_.close(connection.socket());
  metrics_.closed.add();
  services_.connections->give_back();
  if (connection.from == Connection::From::network)
    services_.connections_by_address->give_back(connection.address_key);
  --size_;
  by_slot_[connection.socket().index].reset();
}

}  // namespace ringcast
