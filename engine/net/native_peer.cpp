#include "net/native_peer.hpp"

#include <algorithm>

#include "net/access.hpp"
#include "net/connections.hpp"
#include "protocol/native_frames.hpp"

namespace ringcast {

void NativePeer::write(Connection& connection) {
  connections_.write_text(connection, json_);
  json_.clear();
}

void NativePeer::opened(Connection& connection) {
  const Session& session = connection.session;
  const std::string name = std::to_string(session.id.shard.value) + '-' +
                           std::to_string(session.id.slot.index) + '-' +
                           std::to_string(session.id.slot.generation);
  protocol::ConnectedFrame frame;
  frame.session = name;
  frame.user = session.user();
  frame.ping_interval = std::chrono::seconds(connections_.services().config.limits.ping_interval_s);
  frame.ends = session.expires();
  protocol::append_connected(json_, frame);
  write(connection);
  connections_.hub().calls().announce(connection.session);
}

void NativePeer::refused(Connection& connection, const Error& refusal) {
  error(connection, {}, refusal);
  // Who was not answered in time may well be let in the next time.
  connections_.end(connection, refusal.code == Errc::unavailable ? CloseReason::internal_error
                                                                 : CloseReason::refused);
}

void NativePeer::message(Connection& connection, std::string_view text) {
  protocol::NativeMessage message = protocol::decode_native(text);
  if (!message.request) return error(connection, message.id, message.request.error());
  std::visit([&](auto& ask) { request(connection, message.id, std::move(ask)); }, *message.request);
}

// The tag under which the answer will come, and the id that it will have to carry.
std::uint64_t NativePeer::remember(Connection& connection, std::string_view id,
                                   std::string_view room) {
  const std::uint64_t tag = connection.next_tag++;
  connection.asked.push_front({tag, std::string(id), std::string(room), false, {}});
  return tag;
}

void NativePeer::forget(Connection& connection, std::uint64_t tag) {
  std::ignore = take(connection, tag);
}

Connection::Asked NativePeer::take(Connection& connection, std::uint64_t tag) {
  if (tag == kNothingKept) return {};
  auto before = connection.asked.before_begin();
  for (auto at = connection.asked.begin(); at != connection.asked.end(); before = at++) {
    if (at->tag != tag) continue;
    Connection::Asked asked = std::move(*at);
    connection.asked.erase_after(before);
    return asked;
  }
  return {};
}

// Answers come in the order of the questions: what is said about a room while its subscribe is on
// its way waits for that answer. True: it waits, or was refused.
template <class Request>
bool NativePeer::defer(Connection& connection, std::string_view id, Request& ask) {
  const auto open =
      std::find_if(connection.asked.begin(), connection.asked.end(),
                   [&](const auto& asked) { return asked.subscribes && asked.room == ask.room; });
  if (open == connection.asked.end()) return false;
  if (open->then.size() >= kDeferredMax)
    error(connection, id, {Errc::rate_limited, "room: wait for the answer to its subscribe"});
  else
    open->then.push_back({std::string(id), std::move(ask)});
  return true;
}

void NativePeer::request(Connection& connection, std::string_view id,
                         protocol::SubscribeRequest&& ask) {
  if (defer(connection, id, ask)) return;
  const std::uint64_t tag = remember(connection, id, ask.room);
  connection.asked.front().subscribes = true;
  auto asked = connections_.hub().subscribe(connection.session, tag, ask.room,
                                            std::move(ask.recover), connections_.now());
  if (asked) return;
  forget(connection, tag);
  error(connection, id, asked.error());
}

void NativePeer::request(Connection& connection, std::string_view id,
                         protocol::UnsubscribeRequest&& ask) {
  if (defer(connection, id, ask)) return;
  if (auto done = connections_.hub().unsubscribe(connection.session, ask.room); !done)
    return error(connection, id, done.error());
  protocol::append_unsubscribed(json_, ask.room, {}, id);
  write(connection);
}

void NativePeer::request(Connection& connection, std::string_view id,
                         protocol::PublishRequest&& ask) {
  const bool server = connection.session.is_server();
  if (!server && (ask.event_id || !ask.exclude_user.empty()))
    return error(connection, id, {Errc::forbidden, "eventId, excludeUser: only for servers"});
  // The answer names the room itself, and most clients send no id: then nothing is to be kept.
  const std::uint64_t tag = id.empty() ? kNothingKept : remember(connection, id, {});
  PublishAsk publish;
  publish.room = ask.room;
  publish.type = ask.event;
  publish.data = std::move(ask.data);
  publish.key = ask.key;
  publish.idempotency_key = ask.idempotency_key;
  publish.exclude_user = ask.exclude_user;
  publish.id = ask.event_id;
  auto asked =
      connections_.hub().publish(connection.session, tag, std::move(publish), connections_.wall(),
                                 server ? Hub::Authority::server : Hub::Authority::grants);
  if (asked) return;
  forget(connection, tag);
  error(connection, id, asked.error());
}

void NativePeer::request(Connection& connection, std::string_view id,
                         protocol::PresenceRequest&& ask) {
  Hub& hub = connections_.hub();
  if (ask.action == protocol::PresenceAction::list) {
    const std::uint64_t tag = remember(connection, id, ask.room);
    auto asked = hub.list_viewers(connection.session, tag, ask.room, ask.after, ask.limit,
                                  Hub::Authority::grants);
    if (asked) return;
    forget(connection, tag);
    return error(connection, id, asked.error());
  }
  const auto action = ask.action == protocol::PresenceAction::join ? PresenceMail::Action::join
                                                                   : PresenceMail::Action::leave;
  if (auto done = hub.view(connection.session, ask.room, action); !done)
    error(connection, id, done.error());
}

void NativePeer::request(Connection& connection, std::string_view id, protocol::PingRequest&&) {
  protocol::append_pong(json_, id);
  write(connection);
}

void NativePeer::request(Connection& connection, std::string_view id, protocol::AuthRequest&& ask) {
  const Services& services = connections_.services();
  if (is_session_token(services, ask.token)) {
    const std::uint64_t tag = remember(connection, id, {});
    auto asked =
        connections_.hub().calls().identify(connection.session, tag, ask.token, connections_.now());
    if (asked) return;
    forget(connection, tag);
    return error(connection, id, asked.error());
  }
  auto identity = services.tokens.verify(ask.token, connections_.wall());
  if (identity)
    return renew(connection, id, std::make_shared<const Identity>(std::move(*identity)));
  log::debug("auth of a connection refused: {}", identity.error().detail);
  error(connection, id, {Errc::unauthorized, std::string(terse_token_text(identity.error()))});
}

void NativePeer::renew(Connection& connection, std::string_view id,
                       std::shared_ptr<const Identity> identity) {
  if (identity->user != connection.session.user())
    return error(connection, id, {Errc::forbidden, "token: is of another user"});
  protocol::append_renewed(json_, identity->expires_at, id);
  write(connection);
  connections_.hub().renew(connection.session, std::move(identity));
  connections_.arm_alive(connection);
}

void NativePeer::hook_answered(Session& session, std::uint64_t tag, HookKind kind,
                               const Result<std::shared_ptr<const Identity>>& verdict) {
  ensure(kind == HookKind::session_token, "a WebSocket is let in before it is one");
  Connection& connection = connections_.of(session);
  const Connection::Asked asked = take(connection, tag);
  if (session.closing) return;
  if (verdict && *verdict != nullptr) return renew(connection, asked.id, *verdict);
  error(connection, asked.id,
        verdict ? Error{Errc::unauthorized, "token refused"} : verdict.error());
}

void NativePeer::request(Connection& connection, std::string_view id, protocol::CallRequest&& ask) {
  // Who gave no id wants no answer, so nothing is to be kept.
  const std::uint64_t tag = id.empty() ? kNothingKept : remember(connection, id, {});
  CallAsk call;
  call.event = ask.event;
  call.data = std::move(ask.data);
  call.idempotency_key = ask.idempotency_key;
  call.time = connections_.wall();
  auto asked =
      connections_.hub().calls().call(connection.session, tag, std::move(call), connections_.now());
  if (asked) return;
  forget(connection, tag);
  fail_call(connection, id, {asked.error().code, asked.error().detail, {}}, Uuid::random());
}

void NativePeer::call_answered(Session& session, std::uint64_t tag, const CallResult& result,
                               const Uuid& correlation_id) {
  Connection& connection = connections_.of(session);
  const Connection::Asked asked = take(connection, tag);
  if (const auto* error = std::get_if<CallError>(&result))
    return fail_call(connection, asked.id, *error, correlation_id);
  if (asked.id.empty()) return;
  protocol::append_ack(json_, *std::get<Payload>(result), asked.id);
  write(connection);
}

// Not counted towards errors_max: what the application refuses is no misuse of the protocol.
void NativePeer::fail_call(Connection& connection, std::string_view id, const CallError& error,
                           const Uuid& correlation_id) {
  const std::string where = "call " + correlation_id.text();
  if (const auto code = error.code.of_engine())
    connections_.note_error(where, {*code, error.message});
  else
    connections_.note_own_error(where, error);
  if (id.empty()) return;
  protocol::append_failed_ack(json_, error, correlation_id, id);
  write(connection);
}

void NativePeer::error(Connection& connection, std::string_view id, const Error& error) {
  connections_.note_error("message", error);
  protocol::append_error(json_, error, id);
  write(connection);
  // What a server gets wrong it has to see, again and again; it is nobody's attack.
  if (connection.session.is_server()) return;
  if (++connection.errors > connections_.services().config.limits.errors_max)
    connections_.end(connection, CloseReason::too_many_errors);
}

void NativePeer::subscribed(Session& session, std::uint64_t tag, const SubscribedMail& answer) {
  Connection& connection = connections_.of(session);
  Connection::Asked asked = take(connection, tag);
  if (answer.error) {
    error(connection, asked.id, *answer.error);
  } else {
    protocol::append_subscribed(
        json_, {answer.room, answer.at.offset, answer.at.epoch, answer.recovered}, asked.id);
    write(connection);
  }
  for (auto& next : asked.then) {
    if (session.closing) return;
    std::visit([&](auto& ask) { request(connection, next.id, std::move(ask)); }, next.request);
  }
}

void NativePeer::published(Session& session, std::uint64_t tag, const PublishedMail& answer) {
  Connection& connection = connections_.of(session);
  const Connection::Asked asked = take(connection, tag);
  if (!answer.outcome) return error(connection, asked.id, answer.outcome.error());
  const Appended& done = *answer.outcome;
  protocol::append_published(json_,
                             {answer.room, done.id, done.offset.value_or(0),
                              session.is_server() ? done.epoch : std::string_view()},
                             asked.id);
  write(connection);
}

void NativePeer::presence_list(Session& session, std::uint64_t tag,
                               const PresenceListMail& answer) {
  Connection& connection = connections_.of(session);
  const Connection::Asked asked = take(connection, tag);
  protocol::append_presence_page(json_, {answer.room, answer.users, answer.count, answer.next},
                                 asked.id);
  write(connection);
}

void NativePeer::admin_answer(Session&, std::uint64_t, const AdminAnswerMail&) {
  ensure(false, "the native protocol has no question of the server API");
}

void NativePeer::read_now(Session&, std::uint64_t, const ReadNowAnswerMail&) {
  ensure(false, "the native protocol never reads the outbox");
}

void NativePeer::unsubscribed(Session& session, std::string_view room, std::string_view reason) {
  protocol::append_unsubscribed(json_, room, reason, {});
  write(connections_.of(session));
}

void NativePeer::write_position(Connection& connection) {
  const Position& complete = connections_.hub().audience().complete();
  if (complete.offset == 0) return;
  const auto& subscriptions = connection.session.subscriptions;
  if (std::none_of(subscriptions.begin(), subscriptions.end(),
                   [](const auto& s) { return s.joined && s.channel->stored; }))
    return;
  protocol::append_position(json_, complete);
  write(connection);
}

}  // namespace ringcast
