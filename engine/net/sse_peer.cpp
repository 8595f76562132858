#include "net/sse_peer.hpp"

#include "message/names.hpp"
#include "net/access.hpp"
#include "net/connections.hpp"
#include "net/http_peer.hpp"
#include "wire/sse.hpp"

namespace ringcast {

namespace {

// How long an EventSource waits before it comes back, spread by the slot so that those that one
// restart has cut do not come at the same moment.
Millis retry_delay(const Session& session) {
  return Millis(1'000 + session.id.slot.index * 7 % 1'000);
}

}  // namespace

void SsePeer::handle(Connection& connection, const wire::HttpRequest& request) {
  HttpPeer& http = connections_.http_peer();
  const Services& services = connections_.services();
  if (auto checked = check_origin(services, request); !checked)
    return http.refuse(connection, checked.error());
  const auto rooms = request.query_parameters("room");
  if (request.method != "GET")
    return http.refuse(connection, {Errc::validation, "method: a stream is asked for with GET"});
  if (rooms.size() != 1)
    return http.refuse(connection, {Errc::validation, "room: expected exactly one"});
  if (auto checked = check_room(rooms[0]); !checked)
    return http.refuse(connection, checked.error());
  http.enter(connection, request, shown_token(request, {}));
}

void SsePeer::open(Connection& connection, const wire::HttpRequest& request) {
  HttpPeer& http = connections_.http_peer();
  // Browsers send the header; the parameter serves a page that begins where an earlier one ended.
  std::string last(request.header("last-event-id"));
  if (last.empty()) last = request.query_parameter("lastEventId").value_or("");
  std::optional<Position> recover;
  if (!last.empty()) {
    auto positions = wire::parse_last_event_id(last, 1);
    if (!positions) return http.refuse(connection, positions.error());
    recover = (*positions)[0];
  }
  Session& session = connection.session;
  session.peer = this;
  session.encoding = Encoding::sse;
  const std::uint64_t tag = connection.next_tag++;
  connection.asked.push_front({tag, {}, std::string(request.header("origin")), false, {}});
  auto asked = connections_.hub().subscribe(session, tag, *request.query_parameter("room"),
                                            std::move(recover), connections_.now());
  if (!asked) {
    connection.asked.clear();
    session.peer = &http;
    return http.refuse(connection, asked.error());
  }
  connection.answering = true;
}

void SsePeer::subscribed(Session& session, std::uint64_t, const SubscribedMail& answer) {
  Connection& connection = connections_.of(session);
  const std::string origin = std::move(connection.asked.front().room);
  connection.asked.clear();
  if (answer.error) {
    session.peer = &connections_.http_peer();
    connections_.http_peer().refuse(connection, *answer.error);
    return connections_.answered(connection);
  }
  std::string out;
  std::vector<std::pair<std::string, std::string>> headers;
  if (!origin.empty()) headers = {{"Access-Control-Allow-Origin", origin}, {"Vary", "Origin"}};
  wire::append_sse_head(out, headers);
  wire::append_sse_retry(out, retry_delay(session));
  // A client that could not be recovered is told so before anything live.
  if (answer.recovered == false)
    wire::append_sse_event(out, {}, "subscribed", R"({"recovered":false})");
  if (answer.numbered) {
    const std::optional<Position> at[] = {answer.at};
    wire::append_sse_id(out, at);
  }
  connections_.write(connection, out);
  connections_.become_sse(connection, connections_.now());
  connections_.hub().calls().announce(session);
}

void SsePeer::beat(Connection& connection) {
  const auto& subscriptions = connection.session.subscriptions;
  const Position& complete = connections_.hub().audience().complete();
  std::string out;
  if (complete.offset != 0 && !subscriptions.empty() && subscriptions[0].joined &&
      subscriptions[0].channel->stored) {
    const std::optional<Position> at[] = {complete};
    wire::append_sse_id(out, at);
  }
  out += wire::kSseHeartbeat;
  connections_.write(connection, out);
}

void SsePeer::unsubscribed(Session& session, std::string_view, std::string_view) {
  connections_.end(connections_.of(session), CloseReason::token_refused);
}

void SsePeer::call_answered(Session&, std::uint64_t, const CallResult&, const Uuid&) {
  ensure(false, "a stream never calls");
}

void SsePeer::hook_answered(Session&, std::uint64_t, HookKind,
                            const Result<std::shared_ptr<const Identity>>&) {
  ensure(false, "a stream is let in before it is one");
}

void SsePeer::published(Session&, std::uint64_t, const PublishedMail&) {
  ensure(false, "a stream never publishes");
}

void SsePeer::presence_list(Session&, std::uint64_t, const PresenceListMail&) {
  ensure(false, "a stream never lists viewers");
}

void SsePeer::admin_answer(Session&, std::uint64_t, const AdminAnswerMail&) {
  ensure(false, "a stream never asks anything of the server API");
}

void SsePeer::read_now(Session&, std::uint64_t, const ReadNowAnswerMail&) {
  ensure(false, "a stream never reads the outbox");
}

}  // namespace ringcast
