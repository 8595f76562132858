// Home: what the server API asks about rooms.
#include <fmt/format.h>

#include "hub/home.hpp"
#include "hub/name_page.hpp"
#include "message/names.hpp"

namespace ringcast {

Result<HistoryPage> Home::history(const HistoryAsk& ask, Instant now) {
  const NamespaceConfig& row = namespace_for(config_, ask.room);
  if (row.history == HistoryKind::none)
    return {Errc::not_found,
            fmt::format("room: namespace '{}' keeps no history", namespace_of(ask.room))};
  if (row.history == HistoryKind::store && !store_.ready)
    return {Errc::unavailable, "the room's store is not ready, try again"};
  HistoryPage answer;
  answer.room = ask.room;
  Room* room = find(ask.room);
  if (room == nullptr) {
    // A quiet `store` room is no object, but its position is the source's.
    if (row.history == HistoryKind::store) answer.top = Position{store_.epoch, store_.top};
    if (ask.after) answer.complete = answer.top && ask.after->epoch == answer.top->epoch;
    return answer;
  }
  room->history.expire(now);
  answer.top = Position{room->epoch, top_of(*room)};
  History::Page page;
  if (ask.after) {
    const bool known =
        ask.after->epoch == room->epoch && ask.after->offset >= room->history.floor();
    answer.complete = known;
    page =
        room->history.page(known ? ask.after->offset : 0, ask.limit, config_.limits.page_bytes_max);
  } else {
    page = room->history.newest(ask.limit, config_.limits.page_bytes_max);
  }
  answer.events = std::move(page.events);
  answer.more = page.more;
  return answer;
}

void Home::add_names(const RoomsAsk& ask, std::size_t count,
                     std::set<std::string_view>& names) const {
  for (const auto& [name, room] : rooms_) offer_name(name, ask, count, names);
}

void Home::describe(RoomRow& row) const {
  const auto found = rooms_.find(row.room);
  if (found == rooms_.end()) return;
  const Room& room = *found->second;
  for (const Room::InProcess& in : room.in_process) row.subscribers += in.subscriptions;
  row.history = static_cast<std::uint32_t>(room.history.size());
  if (room.numbered()) row.at = Position{room.epoch, top_of(room)};
}

}  // namespace ringcast
