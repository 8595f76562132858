// HTTP requests of one shard: routes, health, metrics, upgrades, and the server API (http_api.cpp).
#pragma once

#include <string>
#include <string_view>

#include "hub/session.hpp"
#include "net/connection.hpp"
#include "net/services.hpp"
#include "protocol/server_api.hpp"
#include "wire/http_request.hpp"
#include "wire/http_response.hpp"
#include "wire/websocket_handshake.hpp"

namespace ringcast {

class Connections;

// Answers requests, at once or when the hub has answered; one at a time per connection.
//
// Thread: shard. One for all connections of the shard, without state of its own.
class HttpPeer final : public Peer {
 public:
  explicit HttpPeer(Connections& connections) : connections_(connections) {}

  void handle(Connection& connection, wire::HttpRequest&& request);

  void respond(Connection& connection, const wire::HttpResponse& response);
  // In the one shape of errors, with a correlation id that the log has too.
  void refuse(Connection& connection, const Error& error);

  // Who comes with this token, and may he? Then opens what he asked for, maybe only when the
  // application has answered. The request is a checked one for a WebSocket or a stream.
  void enter(Connection& connection, const wire::HttpRequest& request, const std::string& token);

  void subscribed(Session& session, std::uint64_t tag, const SubscribedMail& answer) override;
  void published(Session& session, std::uint64_t tag, const PublishedMail& answer) override;
  void presence_list(Session& session, std::uint64_t tag, const PresenceListMail& answer) override;
  void read_now(Session& session, std::uint64_t tag, const ReadNowAnswerMail& answer) override;
  void admin_answer(Session& session, std::uint64_t tag, const AdminAnswerMail& answer) override;
  void call_answered(Session& session, std::uint64_t tag, const CallResult& result,
                     const Uuid& correlation_id) override;
  void hook_answered(Session& session, std::uint64_t tag, HookKind kind,
                     const Result<std::shared_ptr<const Identity>>& verdict) override;
  void unsubscribed(Session& session, std::string_view room, std::string_view reason) override;

 private:
  struct Route;
  static const Route kRoutes[];

  bool may_upgrade(Connection& connection, const wire::HttpRequest& request,
                   const wire::WebsocketHandshake& handshake);
  void upgrade(Connection& connection, wire::WebsocketOffer offer, Connection::Mode mode);
  void admit(Connection& connection, const wire::HttpRequest& request);
  void open(Connection& connection, const wire::HttpRequest& request, const Error* refusal);
  void wait(Connection& connection, std::uint64_t tag, const wire::HttpRequest& request);
  void websocket(Connection& connection, const wire::HttpRequest& request);
  void echo(Connection& connection, const wire::HttpRequest& request);
  void sse(Connection& connection, const wire::HttpRequest& request);
  void outbox_publish(Connection& connection, const wire::HttpRequest& request);
  void healthz(Connection& connection, const wire::HttpRequest& request);
  void readyz(Connection& connection, const wire::HttpRequest& request);
  void metrics(Connection& connection, const wire::HttpRequest& request);
  void demo_page(Connection& connection, const wire::HttpRequest& request);
  void dev_outbox(Connection& connection, const wire::HttpRequest& request);
  void not_found(Connection& connection);
  static void append_reasons(std::string& json, const Readiness& readiness);

  // ---- http_api.cpp ----
  void publish(Connection& connection, const wire::HttpRequest& request);
  void broadcast(Connection& connection, const wire::HttpRequest& request);
  void batch(Connection& connection, const wire::HttpRequest& request);
  void presence(Connection& connection, const wire::HttpRequest& request);
  void history(Connection& connection, const wire::HttpRequest& request);
  void rooms(Connection& connection, const wire::HttpRequest& request);
  void disconnect(Connection& connection, const wire::HttpRequest& request);
  void unsubscribe(Connection& connection, const wire::HttpRequest& request);
  void info(Connection& connection, const wire::HttpRequest& request);
  [[nodiscard]] Result<void> ask_publish(Connection& connection, std::string_view room,
                                         const protocol::PublishBody& body);
  void administer(Connection& connection, AdminAsk ask);
  void answer_batch(Connection& connection);

  Connections& connections_;
};

}  // namespace ringcast
