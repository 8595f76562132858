// HttpPeer: the server API, `POST /api/...` (docs/server-api.md).
#include <fmt/format.h>

#include <utility>

#include "net/connections.hpp"
#include "net/http_peer.hpp"

namespace ringcast {

Result<void> HttpPeer::ask_publish(Connection& connection, std::string_view room,
                                   const protocol::PublishBody& body) {
  PublishAsk ask;
  ask.room = room;
  ask.type = body.type;
  ask.data = body.data;
  ask.key = body.key;
  ask.idempotency_key = body.idempotency_key;
  ask.exclude_user = body.exclude_user;
  ask.id = body.id;
  return connections_.hub().publish(connection.session, connection.next_tag++, std::move(ask),
                                    connections_.wall(), Hub::Authority::server);
}

void HttpPeer::publish(Connection& connection, const wire::HttpRequest& request) {
  const auto body = protocol::decode_publish_body(request.body);
  if (!body) return refuse(connection, body.error());
  if (auto asked = ask_publish(connection, body->room, *body); !asked)
    return refuse(connection, asked.error());
  connection.answering = true;
}

void HttpPeer::broadcast(Connection& connection, const wire::HttpRequest& request) {
  auto body = protocol::decode_broadcast_body(
      request.body, connections_.services().config.limits.publications_per_request_max);
  if (!body) return refuse(connection, body.error());
  auto publications = std::make_unique<Connection::Publications>();
  publications->first = connection.next_tag;
  for (const std::string& room : body->rooms) {
    const auto asked = ask_publish(connection, room, body->publish);
    publications->answers.push_back(asked ? "" : protocol::encode_refused(room, asked.error()));
    publications->open += asked.ok() ? 1 : 0;
  }
  publications->rooms = std::move(body->rooms);
  connection.publications = std::move(publications);
  answer_batch(connection);
}

void HttpPeer::batch(Connection& connection, const wire::HttpRequest& request) {
  const auto body = protocol::decode_batch_body(
      request.body, connections_.services().config.limits.publications_per_request_max);
  if (!body) return refuse(connection, body.error());
  auto publications = std::make_unique<Connection::Publications>();
  publications->first = connection.next_tag;
  for (const auto& publication : *body) {
    Result<void> asked;
    if (publication) {
      asked = ask_publish(connection, publication->room, *publication);
    } else {
      ++connection.next_tag;
      asked = publication.error();
    }
    publications->answers.push_back(asked ? "" : protocol::encode_refused({}, asked.error()));
    publications->open += asked.ok() ? 1 : 0;
  }
  connection.publications = std::move(publications);
  answer_batch(connection);
}

// When the last answer is there, they go out together.
void HttpPeer::answer_batch(Connection& connection) {
  connection.answering = connection.publications->open != 0;
  if (connection.answering) return;
  const auto publications = std::move(connection.publications);
  respond(connection, wire::json_response(200, protocol::encode_answers(publications->answers)));
}

void HttpPeer::published(Session& session, std::uint64_t tag, const PublishedMail& answer) {
  Connection& connection = connections_.of(session);
  if (connection.publications) {
    Connection::Publications& publications = *connection.publications;
    const bool named = !publications.rooms.empty();
    std::string& json = publications.answers[tag - publications.first];
    if (!answer.outcome)
      json = protocol::encode_refused(named ? answer.room : std::string_view(),
                                      answer.outcome.error());
    else if (named)
      json = protocol::encode_published_in(answer.room, *answer.outcome);
    else
      json = protocol::encode_published(*answer.outcome);
    if (--publications.open != 0) return;
    answer_batch(connection);
    return connections_.answered(connection);
  }
  if (answer.outcome)
    respond(connection, wire::json_response(200, protocol::encode_published(*answer.outcome)));
  else
    refuse(connection, answer.outcome.error());
  connections_.answered(connection);
}

void HttpPeer::presence(Connection& connection, const wire::HttpRequest& request) {
  const auto body =
      protocol::decode_presence_body(request.body, connections_.services().config.limits.page_max);
  if (!body) return refuse(connection, body.error());
  auto asked =
      connections_.hub().list_viewers(connection.session, connection.next_tag++, body->room,
                                      body->after, body->limit, Hub::Authority::server);
  if (!asked) return refuse(connection, asked.error());
  connection.answering = true;
}

void HttpPeer::presence_list(Session& session, std::uint64_t, const PresenceListMail& answer) {
  Connection& connection = connections_.of(session);
  respond(connection, wire::json_response(200, protocol::encode_presence(answer)));
  connections_.answered(connection);
}

void HttpPeer::administer(Connection& connection, AdminAsk ask) {
  auto asked =
      connections_.hub().administer(connection.session, connection.next_tag++, std::move(ask));
  if (!asked) return refuse(connection, asked.error());
  connection.answering = true;
}

void HttpPeer::history(Connection& connection, const wire::HttpRequest& request) {
  auto ask =
      protocol::decode_history_body(request.body, connections_.services().config.limits.page_max);
  if (!ask) return refuse(connection, ask.error());
  administer(connection, std::move(*ask));
}

void HttpPeer::rooms(Connection& connection, const wire::HttpRequest& request) {
  auto ask =
      protocol::decode_rooms_body(request.body, connections_.services().config.limits.page_max);
  if (!ask) return refuse(connection, ask.error());
  administer(connection, std::move(*ask));
}

void HttpPeer::disconnect(Connection& connection, const wire::HttpRequest& request) {
  auto ask = protocol::decode_kick_body(request.body, protocol::KickFrom::everywhere);
  if (!ask) return refuse(connection, ask.error());
  administer(connection, std::move(*ask));
}

void HttpPeer::unsubscribe(Connection& connection, const wire::HttpRequest& request) {
  auto ask = protocol::decode_kick_body(request.body, protocol::KickFrom::room);
  if (!ask) return refuse(connection, ask.error());
  administer(connection, std::move(*ask));
}

void HttpPeer::info(Connection& connection, const wire::HttpRequest&) {
  administer(connection, CountsAsk{});
}

void HttpPeer::admin_answer(Session& session, std::uint64_t, const AdminAnswerMail& answer) {
  Connection& connection = connections_.of(session);
  if (!answer.outcome) {
    refuse(connection, answer.outcome.error());
    return connections_.answered(connection);
  }
  const AdminAnswer& told = **answer.outcome;
  std::string json;
  if (const auto* history = std::get_if<HistoryPage>(&told)) {
    json = protocol::encode_history(*history);
  } else if (const auto* rooms = std::get_if<RoomsPage>(&told)) {
    json = protocol::encode_rooms(*rooms);
  } else if (const auto* kicked = std::get_if<Kicked>(&told)) {
    json = fmt::format(R"({{"count":{}}})", kicked->count);
  } else {
    const Services& services = connections_.services();
    const Counts& counts = std::get<Counts>(told);
    const Readiness readiness = services.readiness();
    json = fmt::format(R"({{"shards":{},"connections":{},"subscriptions":{},"rooms":{},"ready":{})",
                       services.config.engine.shards, counts.connections, counts.subscriptions,
                       counts.rooms, readiness.reasons.empty());
    append_reasons(json, readiness);
    json += '}';
  }
  respond(connection, wire::json_response(200, json));
  connections_.answered(connection);
}

}  // namespace ringcast
