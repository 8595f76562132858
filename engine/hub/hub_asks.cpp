// Hub: what sessions ask, checked against their grants.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "hub/hub.hpp"
#include "message/home_shard.hpp"
#include "message/names.hpp"

namespace ringcast {

namespace {

Error forbidden(std::string_view verb, std::string_view room) {
  return {Errc::forbidden, fmt::format("room: no grant to {} '{}'", verb, room)};
}

}  // namespace

void Hub::close(Session& session) {
  leave_rooms(session);
  audience_.close(session);
}

void Hub::leave_rooms(Session& session) {
  calls_.left(session);
  for (const std::string& room : session.viewing)
    tell_presence(session, room, PresenceMail::Action::leave);
  session.viewing.clear();
  audience_.leave_rooms(session);
}

// Reserves the answer's place: a session has so many open questions at most, whatever it sends.
Result<void> Hub::ask(Session& session) {
  if (session.questions >= kQuestionsMax)
    return {Errc::rate_limited,
            fmt::format("{} requests of this connection wait for answers", kQuestionsMax)};
  ++session.questions;
  return {};
}

Result<void> Hub::subscribe(Session& session, std::uint64_t tag, std::string_view room,
                            std::optional<Position> recover, Instant now) {
  // Where the application judges, the token has no say; a server is the application itself.
  const auto judge = session.is_server() ? std::nullopt : calls_.judged_by(room);
  if (!judge && !session.may(Verb::subscribe, room)) return forbidden("subscribe to", room);
  if (auto asked = ask(session); !asked) return asked.error();
  auto sent = judge ? calls_.subscribe(session, tag, *judge, room, std::move(recover), now)
                    : audience_.subscribe(session, room, tag, std::move(recover));
  if (!sent) answered(session);
  return sent;
}

Result<void> Hub::unsubscribe(Session& session, std::string_view room) {
  if (!audience_.unsubscribe(session, room))
    return {Errc::not_found, fmt::format("room: not subscribed to '{}'", room)};
  return {};
}

Result<void> Hub::publish(Session& session, std::uint64_t tag, PublishAsk ask_, WallTime time,
                          Authority authority) {
  const NamespaceConfig& row = audience_.settings(ask_.room);
  if (authority == Authority::grants &&
      (!row.client_publish || !session.may(Verb::publish, ask_.room)))
    return forbidden("publish to", ask_.room);
  if (auto asked = ask(session); !asked) return asked.error();
  const std::string_view user = authority == Authority::grants ? session.user() : "";
  const ReplyTo reply_to{session.id, tag};
  const ShardIndex home = home_shard(ask_.room, mesh_.shards());
  const bool sent = row.history == HistoryKind::store
                        ? mesh_.try_send_source(append_mail(std::move(ask_), user, reply_to))
                        : mesh_.try_send(home, publish_mail(std::move(ask_), time, user, reply_to));
  if (sent) return {};
  answered(session);
  return {Errc::unavailable, "the room's shard or store is busy, try again"};
}

Result<void> Hub::insert_row(Session& session, std::uint64_t tag, PlainRow row) {
  if (auto asked = ask(session); !asked) return asked.error();
  if (mesh_.try_send_source(AppendMail{std::move(row), {session.id, tag}})) return {};
  answered(session);
  return {Errc::unavailable, "the store is busy or there is none"};
}

Result<void> Hub::view(Session& session, std::string_view room, PresenceMail::Action action) {
  if (!audience_.settings(room).presence)
    return {Errc::forbidden,
            fmt::format("room: no presence in namespace '{}'", namespace_of(room))};
  if (!session.may(Verb::presence, room)) return forbidden("show presence in", room);
  if (session.user().empty())
    return {Errc::unauthorized, "presence needs a user: connect with a token"};
  const auto known = std::find(session.viewing.begin(), session.viewing.end(), room);
  if (action == PresenceMail::Action::join) {
    if (known != session.viewing.end()) return {};
    const std::uint32_t rooms_max = config_.limits.rooms_per_connection_max;
    if (std::distance(session.viewing.begin(), session.viewing.end()) >= rooms_max)
      return {Errc::rate_limited,
              fmt::format("room: a connection may be present in at most {} rooms", rooms_max)};
    session.viewing.emplace_front(room);
  } else {
    if (known == session.viewing.end())
      return {Errc::not_found, fmt::format("room: not present in '{}'", room)};
    session.viewing.remove(*known);
  }
  tell_presence(session, room, action);
  return {};
}

void Hub::tell_presence(const Session& session, std::string_view room,
                        PresenceMail::Action action) {
  send_presence({std::string(room), std::string(session.user()), {session.id, 0}, action, {}, 0});
}

// A presence that finds no place waits here, behind those before it: the last state must win.
void Hub::send_presence(PresenceMail&& mail) {
  if (!unsent_.empty()) {
    unsent_.push_back(std::move(mail));
    return;
  }
  const ShardIndex home = home_shard(mail.room, mesh_.shards());
  if (mesh_.room_at(home) == 0)
    unsent_.push_back(std::move(mail));
  else
    mesh_.answer(home, std::move(mail));
}

Result<void> Hub::list_viewers(Session& session, std::uint64_t tag, std::string_view room,
                               std::string_view after, std::uint32_t limit, Authority authority) {
  if (authority == Authority::grants && !session.may(Verb::presence, room))
    return forbidden("see presence in", room);
  if (auto asked = ask(session); !asked) return asked.error();
  PresenceMail mail{std::string(room),  {},   {session.id, tag}, PresenceMail::Action::list,
                    std::string(after), limit};
  if (mesh_.try_send(home_shard(room, mesh_.shards()), std::move(mail))) return {};
  answered(session);
  return {Errc::unavailable, "the room's shard is busy, try again"};
}

Result<void> Hub::read_now(Session& session, std::uint64_t tag, std::uint32_t limit) {
  if (auto asked = ask(session); !asked) return asked.error();
  if (mesh_.try_send_source(ReadNowMail{limit, {session.id, tag}})) return {};
  answered(session);
  return {Errc::unavailable,
          mesh_.has_source() ? "the store is busy, try again" : "this daemon has no store"};
}

void Hub::renew(Session& session, std::shared_ptr<const Identity> identity) {
  ensure(identity->user == session.user(), "Hub::renew: of another user");
  session.identity = std::move(identity);
  std::vector<std::string> lost;
  for (const auto& subscription : session.subscriptions)
    if (!session.may(Verb::subscribe, subscription.channel->room) &&
        !calls_.judged_by(subscription.channel->room))
      lost.push_back(subscription.channel->room);
  for (const std::string& room : lost) {
    audience_.unsubscribe(session, room);
    session.peer->unsubscribed(session, room, "the new token has no grant for it");
  }
  std::vector<std::string> unseen;
  for (const std::string& room : session.viewing)
    if (!session.may(Verb::presence, room)) unseen.push_back(room);
  for (const std::string& room : unseen) {
    session.viewing.remove(room);
    tell_presence(session, room, PresenceMail::Action::leave);
  }
}

}  // namespace ringcast
