#include "net/http_peer.hpp"

#include <fmt/format.h>

#include <charconv>

#include "message/json.hpp"
#include "metrics/exposition.hpp"
#include "net/access.hpp"
#include "net/connections.hpp"
#include "net/demo_page.hpp"
#include "net/sse_peer.hpp"
#include "protocol/server_api.hpp"

namespace ringcast {

// Who may ask, and whether it is there at all.
struct HttpPeer::Route {
  enum class For : std::uint8_t { anyone, api_key, dev, echo };
  std::string_view method;
  std::string_view path;
  For who;
  void (HttpPeer::*handle)(Connection&, const wire::HttpRequest&);
};

const HttpPeer::Route HttpPeer::kRoutes[] = {
    {"GET", "/ws", Route::For::anyone, &HttpPeer::websocket},
    {"GET", "/sse", Route::For::anyone, &HttpPeer::sse},
    {"POST", "/api/publish", Route::For::api_key, &HttpPeer::publish},
    {"POST", "/api/broadcast", Route::For::api_key, &HttpPeer::broadcast},
    {"POST", "/api/batch", Route::For::api_key, &HttpPeer::batch},
    {"POST", "/api/presence", Route::For::api_key, &HttpPeer::presence},
    {"POST", "/api/history", Route::For::api_key, &HttpPeer::history},
    {"POST", "/api/rooms", Route::For::api_key, &HttpPeer::rooms},
    {"POST", "/api/disconnect", Route::For::api_key, &HttpPeer::disconnect},
    {"POST", "/api/unsubscribe", Route::For::api_key, &HttpPeer::unsubscribe},
    {"POST", "/api/info", Route::For::api_key, &HttpPeer::info},
    {"POST", "/outbox/publish", Route::For::api_key, &HttpPeer::outbox_publish},
    {"GET", "/healthz", Route::For::anyone, &HttpPeer::healthz},
    {"GET", "/readyz", Route::For::anyone, &HttpPeer::readyz},
    {"GET", "/metrics", Route::For::anyone, &HttpPeer::metrics},
    {"GET", "/", Route::For::dev, &HttpPeer::demo_page},
    {"POST", "/dev/outbox", Route::For::dev, &HttpPeer::dev_outbox},
    {"GET", "/debug/echo", Route::For::echo, &HttpPeer::echo},
};

void HttpPeer::handle(Connection& connection, wire::HttpRequest&& request) {
  connection.keep_alive = request.keep_alive;
  connection.head = request.method == "HEAD";
  const Services& services = connections_.services();
  if (auto checked = check_host(services, request, connection.from); !checked)
    return refuse(connection, checked.error());
  std::string allowed;
  for (const Route& route : kRoutes) {
    if (route.path != request.path) continue;
    if (route.who == Route::For::dev && !services.config.dev) continue;
    if (route.who == Route::For::echo && !services.config.debug.echo) continue;
    if (route.method != request.method && !(connection.head && route.method == "GET")) {
      allowed = route.method == "GET" ? "GET, HEAD" : route.method;
      continue;
    }
    if (route.who == Route::For::api_key)
      if (auto checked = check_api_key(services, request); !checked)
        return refuse(connection, checked.error());
    return (this->*route.handle)(connection, request);
  }
  if (allowed.empty()) return not_found(connection);
  auto response = wire::error_response(
      Error{Errc::validation, fmt::format("method: {} expects {}", request.path, allowed)},
      Uuid::random().text());
  response.status = 405;
  response.headers.emplace_back("Allow", allowed);
  respond(connection, response);
}

void HttpPeer::respond(Connection& connection, const wire::HttpResponse& response) {
  std::string out;
  wire::append_response(
      out, response,
      connection.keep_alive ? wire::HttpPersistence::keep_alive : wire::HttpPersistence::close,
      connection.head ? wire::HttpBody::omitted : wire::HttpBody::sent);
  connections_.write(connection, out);
  if (!connection.keep_alive) connections_.finish(connection);
}

void HttpPeer::refuse(Connection& connection, const Error& error) {
  const std::string correlation_id = Uuid::random().text();
  connections_.note_error(fmt::format("request {}", correlation_id), error);
  respond(connection, wire::error_response(error, correlation_id));
}

void HttpPeer::not_found(Connection& connection) {
  refuse(connection, {Errc::not_found, "path: nothing is served here"});
}

bool HttpPeer::may_upgrade(Connection& connection, const wire::HttpRequest& request,
                           const wire::WebsocketHandshake& handshake) {
  if (!handshake.ok()) {
    connections_.metrics().upgrades_refused.add();
    connections_.note_error("upgrade", {Errc::validation, "not a WebSocket handshake"});
    respond(connection, handshake.refusal());
    return false;
  }
  auto checked = check_origin(connections_.services(), request);
  if (!checked) refuse(connection, checked.error());
  return checked.ok();
}

void HttpPeer::websocket(Connection& connection, const wire::HttpRequest& request) {
  const auto handshake = wire::WebsocketHandshake::check(request, Uuid::random().text());
  if (may_upgrade(connection, request, handshake))
    enter(connection, request, shown_token(request, handshake.offer().token));
}

void HttpPeer::echo(Connection& connection, const wire::HttpRequest& request) {
  const auto handshake = wire::WebsocketHandshake::check(request, Uuid::random().text());
  if (may_upgrade(connection, request, handshake))
    upgrade(connection, handshake.offer(), Connection::Mode::echo);
}

void HttpPeer::upgrade(Connection& connection, wire::WebsocketOffer offer, Connection::Mode mode) {
  if (!connections_.services().config.listen.compression) offer.deflate.reset();
  std::string out;
  wire::append_switching_protocols(out, offer);
  connections_.write(connection, out);
  connections_.become_websocket(connection, mode, offer.deflate, connections_.now());
}

void HttpPeer::sse(Connection& connection, const wire::HttpRequest& request) {
  connections_.sse_peer().handle(connection, request);
}

void HttpPeer::dev_outbox(Connection& connection, const wire::HttpRequest& request) {
  auto row = protocol::decode_outbox_body(request.body);
  if (!row) return refuse(connection, row.error());
  auto asked =
      connections_.hub().insert_row(connection.session, connection.next_tag++, std::move(*row));
  if (!asked) return refuse(connection, asked.error());
  connection.answering = true;
}

void HttpPeer::outbox_publish(Connection& connection, const wire::HttpRequest& request) {
  const std::uint32_t rows_max = connections_.services().config.outbox.batch_max;
  std::uint32_t limit = rows_max;
  if (const auto text = request.query_parameter("limit")) {
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), limit);
    if (error != std::errc{} || end != text->data() + text->size() || limit == 0 ||
        limit > rows_max)
      return refuse(connection, {Errc::validation,
                                 fmt::format("limit: expected a number from 1 to {}", rows_max)});
  }
  auto asked = connections_.hub().read_now(connection.session, connection.next_tag++, limit);
  if (!asked) return refuse(connection, asked.error());
  connection.answering = true;
}

void HttpPeer::healthz(Connection& connection, const wire::HttpRequest&) {
  respond(connection, wire::json_response(200, R"({"status":"ok"})"));
}

void HttpPeer::readyz(Connection& connection, const wire::HttpRequest&) {
  const Readiness readiness = connections_.services().readiness();
  std::string json = readiness.reasons.empty() ? R"({"status":"ready")"
                     : readiness.degraded      ? R"({"status":"degraded")"
                                               : R"({"status":"not ready")";
  append_reasons(json, readiness);
  json += '}';
  respond(connection, wire::json_response(readiness.reasons.empty() ? 200 : 503, json));
}

void HttpPeer::append_reasons(std::string& json, const Readiness& readiness) {
  json += R"(,"reasons":[)";
  for (std::size_t i = 0; i < readiness.reasons.size(); ++i) {
    if (i != 0) json += ',';
    append_json_string(json, readiness.reasons[i]);
  }
  json += ']';
}

void HttpPeer::metrics(Connection& connection, const wire::HttpRequest&) {
  wire::HttpResponse response;
  response.headers.emplace_back("Content-Type", std::string(Exposition::kMediaType));
  response.body = connections_.services().metrics_text();
  respond(connection, response);
}

void HttpPeer::demo_page(Connection& connection, const wire::HttpRequest&) {
  wire::HttpResponse response;
  response.headers = {{"Content-Type", "text/html; charset=utf-8"},
                      {"Cache-Control", "no-store"},
                      {"Content-Security-Policy",
                       "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
                       "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'"},
                      {"X-Content-Type-Options", "nosniff"}};
  response.body = demo_page_html();
  respond(connection, response);
}

void HttpPeer::read_now(Session& session, std::uint64_t, const ReadNowAnswerMail& answer) {
  Connection& connection = connections_.of(session);
  if (!answer.outcome) {
    refuse(connection, answer.outcome.error());
    return connections_.answered(connection);
  }
  const ReadNow& counts = *answer.outcome;
  respond(connection,
          wire::json_response(
              200, fmt::format(R"({{"published":{},"failed":{},"skipped":{},)"
                               R"("oldestPendingSeconds":{}}})",
                               counts.published, counts.failed, counts.skipped,
                               counts.oldest_pending_seconds
                                   ? fmt::format("{:.3f}", *counts.oldest_pending_seconds)
                                   : "null")));
  connections_.answered(connection);
}

void HttpPeer::subscribed(Session&, std::uint64_t, const SubscribedMail&) {
  ensure(false, "an HTTP request never subscribes");
}

void HttpPeer::call_answered(Session&, std::uint64_t, const CallResult&, const Uuid&) {
  ensure(false, "an HTTP request never calls");
}

void HttpPeer::unsubscribed(Session&, std::string_view, std::string_view) {
  ensure(false, "an HTTP request never subscribes");
}

}  // namespace ringcast
