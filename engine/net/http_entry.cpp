// HttpPeer: who comes in by GET /ws and GET /sse, as tokens and the application say.
#include "net/access.hpp"
#include "net/connections.hpp"
#include "net/http_peer.hpp"
#include "net/native_peer.hpp"
#include "net/sse_peer.hpp"

namespace ringcast {

namespace {

constexpr std::string_view kStreamPath = "/sse";

}  // namespace

void HttpPeer::enter(Connection& connection, const wire::HttpRequest& request,
                     const std::string& token) {
  const Services& services = connections_.services();
  Session& session = connection.session;
  if (is_session_token(services, token)) {
    const std::uint64_t tag = connection.next_tag++;
    auto asked = connections_.hub().calls().identify(session, tag, token, connections_.now());
    if (!asked) return refuse(connection, asked.error());
    return wait(connection, tag, request);
  }
  auto identity = identify(services, request, token, connections_.wall());
  if (!identity) {
    if (request.path != kStreamPath) connections_.metrics().upgrades_refused.add();
    log::debug("{} refused: {}", request.path, identity.error().detail);
    return refuse(connection, {identity.error().code, std::string(client_text(identity.error()))});
  }
  connections_.hub().audience().identify(session, std::move(*identity));
  admit(connection, request);
}

// The identity is known: does the application let it in?
void HttpPeer::admit(Connection& connection, const wire::HttpRequest& request) {
  const std::uint64_t tag = connection.next_tag++;
  auto asked = connections_.hub().calls().connect(connection.session, tag, connections_.now());
  if (!asked) return open(connection, request, &asked.error());
  if (*asked) return wait(connection, tag, request);
  open(connection, request, nullptr);
}

// As any request that the hub has: what comes behind it is not read, and the answer always comes.
void HttpPeer::wait(Connection& connection, std::uint64_t tag, const wire::HttpRequest& request) {
  connection.asked.push_front(
      {tag, {}, {}, false, {}, std::make_unique<wire::HttpRequest>(request)});
  connection.answering = true;
}

// A page can not read how an upgrade was refused, so a WebSocket is opened to say it.
void HttpPeer::open(Connection& connection, const wire::HttpRequest& request,
                    const Error* refusal) {
  if (request.path == kStreamPath) {
    if (refusal != nullptr) return refuse(connection, *refusal);
    return connections_.sse_peer().open(connection, request);
  }
  const auto handshake = wire::WebsocketHandshake::check(request, {});
  upgrade(connection, handshake.offer(), Connection::Mode::native);
  if (refusal == nullptr)
    connections_.native_peer().opened(connection);
  else
    connections_.native_peer().refused(connection, *refusal);
}

void HttpPeer::hook_answered(Session& session, std::uint64_t, HookKind kind,
                             const Result<std::shared_ptr<const Identity>>& verdict) {
  Connection& connection = connections_.of(session);
  const auto request = std::move(connection.asked.front().request);
  connection.asked.clear();
  connection.answering = false;
  const bool known = verdict.ok() && *verdict != nullptr;
  if (known) connections_.hub().audience().identify(session, *verdict);
  if (kind == HookKind::connect) {
    open(connection, *request, verdict ? nullptr : &verdict.error());
  } else if (known) {
    admit(connection, *request);
  } else if (verdict) {
    refuse(connection, {Errc::unauthorized, "token refused"});
  } else {
    refuse(connection, verdict.error());
  }
  // Unless the next question is open, what was read behind the request has its turn.
  if (!connection.answering) connections_.answered(connection);
}

}  // namespace ringcast
