// Hub: asks of the server API and of ports that concern several shards. The shard that is asked
// sends one part to each, adds up what comes, and answers once.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "hub/hub.hpp"
#include "message/home_shard.hpp"

namespace ringcast {

namespace {

// Each part holds the first rooms of its shard by name, so that the first of all parts together are
// the first of all, with every shard's share of them.
void add(RoomsPage& sum, RoomsPage&& part, std::size_t limit) {
  std::map<std::string, RoomRow, std::less<>> rows;
  for (RoomsPage* page : {&sum, &part}) {
    for (RoomRow& row : page->rooms) {
      RoomRow& known = rows[row.room];
      known.subscribers += row.subscribers;
      known.history += row.history;
      if (row.at) known.at = std::move(row.at);
      known.room = std::move(row.room);
    }
  }
  sum.more = sum.more || part.more || rows.size() > limit;
  sum.rooms.clear();
  for (auto& [name, row] : rows) {
    if (sum.rooms.size() == limit) break;
    sum.rooms.push_back(std::move(row));
  }
}

void add(AdminAnswer& sum, AdminAnswer&& part, const AdminAsk& ask) {
  ensure(sum.index() == part.index(), "parts of two asks in one answer");
  if (auto* rooms = std::get_if<RoomsPage>(&sum))
    add(*rooms, std::get<RoomsPage>(std::move(part)), std::get<RoomsAsk>(ask).limit);
  if (auto* kicked = std::get_if<Kicked>(&sum)) kicked->count += std::get<Kicked>(part).count;
  if (auto* counts = std::get_if<Counts>(&sum)) {
    const Counts& more = std::get<Counts>(part);
    counts->connections += more.connections;
    counts->subscriptions += more.subscriptions;
    counts->rooms += more.rooms;
  }
}

}  // namespace

Result<void> Hub::administer(Session& session, std::uint64_t tag, AdminAsk ask_) {
  if (auto asked = ask(session); !asked) return asked.error();
  auto begun =
      begin_gathering({session.id, tag}, std::make_shared<const AdminAsk>(std::move(ask_)));
  if (!begun) answered(session);
  return begun;
}

// From a port, whose question has reserved the answer's place.
void Hub::administer(AdminMail&& mail) {
  if (auto begun = begin_gathering(mail.reply_to, std::move(mail.ask)); !begun)
    mesh_.answer(mail.reply_to.connection.shard, AdminAnswerMail{mail.reply_to, begun.error()});
}

// All parts find a place, or nothing has happened.
Result<void> Hub::begin_gathering(const ReplyTo& to, std::shared_ptr<const AdminAsk> ask) {
  const std::uint32_t asks_max = config_.limits.admin_asks_max;
  if (gatherings_.size() >= asks_max)
    return {Errc::rate_limited,
            fmt::format("{} requests wait for other shards (admin_asks_max), try again", asks_max)};
  std::vector<ShardIndex> asked;
  if (const auto* history = std::get_if<HistoryAsk>(ask.get())) {
    asked.push_back(home_shard(history->room, mesh_.shards()));
  } else {
    for (std::uint32_t shard = 0; shard < mesh_.shards(); ++shard) asked.push_back({shard});
  }
  if (std::any_of(asked.begin(), asked.end(),
                  [&](ShardIndex shard) { return mesh_.room_at(shard) == 0; }))
    return {Errc::unavailable, "a shard is busy, try again"};
  const std::uint64_t id = next_gathering_++;
  for (const ShardIndex shard : asked) mesh_.answer(shard, AdminPartMail{mesh_.self(), id, ask});
  const auto parts = static_cast<std::uint32_t>(asked.size());
  gatherings_.emplace(id, Gathering{to, std::move(ask), parts, nullptr});
  return {};
}

void Hub::answer_part(const AdminPartMail& mail, Instant now) {
  AdminPartAnswerMail answer;
  answer.gathering = mail.gathering;
  const auto tell = [&](auto&& part) {
    answer.outcome = std::make_unique<AdminAnswer>(std::forward<decltype(part)>(part));
  };
  if (const auto* history = std::get_if<HistoryAsk>(mail.ask.get())) {
    auto page = home_.history(*history, now);
    if (page)
      tell(std::move(*page));
    else
      answer.outcome = page.error();
  } else if (const auto* rooms = std::get_if<RoomsAsk>(mail.ask.get())) {
    tell(list_rooms(*rooms));
  } else if (const auto* kicked = std::get_if<KickAsk>(mail.ask.get())) {
    tell(kick(*kicked));
  } else {
    tell(Counts{audience_.sessions(), audience_.subscriptions() + home_.subscriptions_in_process(),
                home_.rooms()});
  }
  mesh_.answer(mail.gatherer, std::move(answer));
}

void Hub::gather(AdminPartAnswerMail&& mail) {
  const auto found = gatherings_.find(mail.gathering);
  ensure(found != gatherings_.end(), "a part of an answer that is complete");
  Gathering& gathering = found->second;
  --gathering.missing;
  AdminAnswerMail answer{gathering.reply_to, Error{}};
  if (!mail.outcome) {
    // Only asks of one part can fail.
    answer.outcome = mail.outcome.error();
  } else {
    if (gathering.sum)
      add(*gathering.sum, std::move(**mail.outcome), *gathering.ask);
    else
      gathering.sum = std::move(*mail.outcome);
    if (gathering.missing != 0) return;
    answer.outcome = std::move(gathering.sum);
  }
  gatherings_.erase(found);
  mesh_.answer(answer.reply_to.connection.shard, std::move(answer));
}

// Rooms at home here and rooms with subscribers here: two tables, one page.
RoomsPage Hub::list_rooms(const RoomsAsk& ask) const {
  std::set<std::string_view> names;
  const std::size_t count = std::size_t{ask.limit} + 1;  // one more says that there is more
  home_.add_names(ask, count, names);
  audience_.add_names(ask, count, names);
  RoomsPage page;
  page.more = names.size() == count;
  if (page.more) names.erase(std::prev(names.end()));
  for (const std::string_view name : names) {
    RoomRow row{std::string(name), audience_.subscribers(name), 0, {}};
    home_.describe(row);
    page.rooms.push_back(std::move(row));
  }
  return page;
}

Kicked Hub::kick(const KickAsk& ask) {
  Kicked kicked;
  for (Session* session : audience_.sessions_of(ask.user)) {
    if (session->closing) continue;
    if (!ask.room.empty()) {
      kick_from_room(*session, ask.room, kicked);
      continue;
    }
    audience_.close_session(*session, CloseReason::kicked);
    ++kicked.count;
  }
  return kicked;
}

void Hub::kick_from_room(Session& session, const std::string& room, Kicked& kicked) {
  const auto viewed = std::find(session.viewing.begin(), session.viewing.end(), room);
  if (viewed != session.viewing.end()) {
    session.viewing.remove(room);
    tell_presence(session, room, PresenceMail::Action::leave);
  }
  if (!audience_.unsubscribe(session, room)) return;
  session.peer->unsubscribed(session, room, "the server ended it");
  ++kicked.count;
}

}  // namespace ringcast
