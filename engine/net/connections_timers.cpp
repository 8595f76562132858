// Connections: what happens when nothing comes.
#include <algorithm>

#include "net/connections.hpp"
#include "net/native_peer.hpp"
#include "net/sse_peer.hpp"
#include "wire/websocket_frame.hpp"

namespace ringcast {

void Connections::arm(Connection& connection, Instant when) {
  timers_.cancel(connection.timer);
  connection.timer =
      timers_.schedule(when, {static_cast<std::uint32_t>(Due::mode), connection.socket()});
}

void Connections::run_timers(Instant now) {
  now_ = now;
  while (const auto due = timers_.pop_due(now)) {
    Connection* connection = find(due->subject);
    if (connection == nullptr) continue;
    if (static_cast<Due>(due->kind) == Due::mode) {
      connection->timer = {};
      mode_due(*connection, now);
      continue;
    }
    // The socket took nothing for write_stall_s: nobody reads there.
    connection->stall_timer = {};
    metrics_.slow_consumers.add();
    close(*connection, "write stall");
  }
}

void Connections::arm_http_timer(Connection& connection, Instant now) {
  const LimitsConfig& limits = services_.config.limits;
  switch (connection.parser.state()) {
    case wire::HttpParserState::idle:
      arm(connection, now + std::chrono::seconds(limits.idle_timeout_s));
      return;
    case wire::HttpParserState::header:
      // Armed once, at the request's first octet: a client that sends one octet a second gains
      // nothing by it.
      if (!connection.reading) arm(connection, now + std::chrono::seconds(limits.header_timeout_s));
      connection.reading = true;
      return;
    case wire::HttpParserState::body:
      if (!connection.reading_body)
        arm(connection, now + std::chrono::seconds(limits.body_timeout_s));
      connection.reading_body = true;
      return;
    case wire::HttpParserState::complete:
    case wire::HttpParserState::failed:
      return;
  }
}

void Connections::mode_due(Connection& connection, Instant now) {
  switch (connection.mode) {
    case Connection::Mode::http: {
      if (connection.parser.state() == wire::HttpParserState::idle || connection.answering)
        return close(connection, "idle");
      refuse_http(connection, {408, "the request did not arrive in time"});
      return;
    }
    case Connection::Mode::native:
    case Connection::Mode::echo:
    case Connection::Mode::sse:
      return ping_due(connection, now);
    case Connection::Mode::ending:
      return close(connection, "linger");
  }
}

void Connections::ping_due(Connection& connection, Instant now) {
  const LimitsConfig& limits = services_.config.limits;
  const auto expires = connection.session.expires();
  if (expires && *expires <= wall()) return end(connection, CloseReason::token_expired);
  if (connection.pong_due <= now) return end(connection, CloseReason::no_pong);
  if (connection.ping_due <= now) {
    connection.ping_due = next_ping(now);
    if (connection.mode == Connection::Mode::native) native_peer_->write_position(connection);
    if (connection.mode == Connection::Mode::sse) {
      sse_peer_->beat(connection);
    } else {
      scratch_.clear();
      wire::append_frame(scratch_, wire::WebsocketOpcode::ping, {});
      write(connection, scratch_);
      // A ping that is not answered yet keeps its deadline: the interval may be the shorter one.
      connection.pong_due =
          std::min(connection.pong_due, now + std::chrono::seconds(limits.pong_timeout_s));
    }
  }
  arm_alive(connection);
}

// At most a 64th of the interval early, so that connections which came at any time are pinged in
// the same ticks: alone, a ping and its pong are two wake-ups.
Instant Connections::next_ping(Instant now) const {
  const Nanos interval = std::chrono::seconds(services_.config.limits.ping_interval_s);
  const Instant latest = now + interval;
  return latest - latest.time_since_epoch() % (interval / 64);
}

// The next of: ping, the end of waiting for a pong, the end of the token.
void Connections::arm_alive(Connection& connection) {
  Instant next = std::min(connection.ping_due, connection.pong_due);
  if (const auto expires = connection.session.expires())
    next = std::min(next, now_ + std::chrono::duration_cast<Nanos>(*expires - wall()) + Millis(1));
  arm(connection, std::max(next, now_));
}

}  // namespace ringcast
