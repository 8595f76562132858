// Home: who is in its rooms, from a subscribe to its answer, and what `store` rooms wait for.
#include <algorithm>
#include <utility>

#include "auth/grants.hpp"
#include "hub/home.hpp"

namespace ringcast {

void Home::subscribe(SubscribeMail&& mail, Instant now) {
  if (wait_if_needed(mail, now)) return;
  auto room = find_or_make(mail.room);
  if (!room) return refuse(mail, room.error());
  answer_subscribe(**room, mail, now);
}

void Home::refuse(const SubscribeMail& mail, Error error) {
  SubscribedMail answer;
  answer.room = mail.room;
  answer.reply_to = mail.reply_to;
  answer.error = std::move(error);
  mesh_.answer(mail.reply_to.connection.shard, std::move(answer));
}

// Takes the mail if it has to wait: until the replay is over, or, for a subscriber that has seen
// more than this daemon, until it is known whether that was recorded and then until it is here.
bool Home::wait_if_needed(SubscribeMail& mail, Instant now) {
  const NamespaceConfig& row = namespace_for(config_, mail.room);
  if (row.history != HistoryKind::store) return false;
  const Instant deadline = now + Millis(row.subscribe_wait_ms);
  if (!store_.ready) {
    waiting_.push_back({std::move(mail), deadline, Waiting::For::ready});
    return true;
  }
  if (!mail.recover || mail.recover->epoch != store_.epoch) return false;
  const Room* room = find(mail.room);
  const Offset top = room == nullptr ? store_.top : top_of(*room);
  if (mail.recover->offset <= top) return false;
  if (!mesh_.try_send_source(IsRecordedMail{*mail.recover, mesh_.self()})) {
    refuse(mail, {Errc::unavailable, "the store is busy, try again"});
    return true;
  }
  waiting_.push_back({std::move(mail), deadline, Waiting::For::recorded});
  return true;
}

void Home::answer_subscribe(Room& room, const SubscribeMail& mail, Instant now) {
  room.history.expire(now);
  const ShardIndex shard = mail.reply_to.connection.shard;
  room.audience.add(shard);
  if (mesh_.is_port(shard)) joined_in_process(room, shard);
  SubscribedMail answer;
  answer.room = mail.room;
  answer.reply_to = mail.reply_to;
  answer.numbered = room.numbered();
  answer.stored = room.stored();
  if (room.numbered()) answer.at = {room.epoch, top_of(room)};
  if (mail.recover) {
    answer.recovered = false;
    if (room.numbered() && mail.recover->epoch == room.epoch &&
        mail.recover->offset <= answer.at.offset) {
      if (auto missed = room.history.after(mail.recover->offset, room.settings->recover_max)) {
        answer.recovered = true;
        answer.at.offset = mail.recover->offset;
        answer.missed = *missed;
      }
    }
    (*answer.recovered ? metrics_.recovered : metrics_.not_recovered).add();
  }
  mesh_.answer(shard, std::move(answer));
}

void Home::joined_in_process(Room& room, ShardIndex port) {
  ++in_process_;
  for (Room::InProcess& known : room.in_process)
    if (known.port == port) {
      ++known.subscriptions;
      return;
    }
  room.in_process.push_back({port, 1});
}

// Whether the port has no subscription of the room any more.
bool Home::last_in_process(Room& room, ShardIndex port) {
  const auto known = std::find_if(room.in_process.begin(), room.in_process.end(),
                                  [&](const Room::InProcess& each) { return each.port == port; });
  ensure(known != room.in_process.end(), "a port leaves a room that it is not in");
  --in_process_;
  if (--known->subscriptions != 0) return false;
  room.in_process.erase(known);
  return true;
}

void Home::leave(const LeaveMail& mail, Instant now) {
  Room* room = find(mail.room);
  if (room == nullptr || (mesh_.is_port(mail.shard) && !last_in_process(*room, mail.shard))) return;
  room->audience.remove(mail.shard);
  if (!room->watchers.has(mail.shard))
    std::erase_if(room->behind, [&](const Room::Behind& b) { return b.shard == mail.shard; });
  idle_from(*room, now);
}

void Home::presence(PresenceMail&& mail, Instant now) {
  if (mail.action == PresenceMail::Action::list) {
    Room* room = find(mail.room);
    PresenceListMail page = room == nullptr || !room->presence
                                ? PresenceListMail{}
                                : room->presence->list(mail.after, mail.limit);
    page.room = std::move(mail.room);
    page.reply_to = mail.reply_to;
    mesh_.answer(mail.reply_to.connection.shard, std::move(page));
    return;
  }
  if (mail.action == PresenceMail::Action::leave) {
    Room* room = find(mail.room);
    if (room == nullptr || !room->presence) return;
    room->presence->leave(mail.user, mail.reply_to.connection);
    queue_presence(*room);
    idle_from(*room, now);
    return;
  }
  auto room = find_or_make(mail.room);
  if (!room) {
    metrics_.rooms_refused.add();
    return;
  }
  if (!(*room)->presence) (*room)->presence = std::make_unique<Presence>();
  (*room)->presence->join(mail.user, mail.reply_to.connection);
  queue_presence(**room);
}

void Home::watch(WatchMail&& mail) {
  const Watch watch{mail.pattern, mail.reply_to.connection.shard};
  std::erase(watches_, watch);
  if (mail.action == WatchMail::Action::begin) watches_.push_back(watch);
  for (auto& [name, room] : rooms_) {
    if (!pattern_includes(watch.pattern, name)) continue;
    room->watchers.remove(watch.port);
    for (const Watch& other : watches_)
      if (other.port == watch.port && pattern_includes(other.pattern, name))
        room->watchers.add(watch.port);
  }
  if (mail.action == WatchMail::Action::end) return;
  SubscribedMail answer;
  answer.room = std::move(mail.pattern);
  answer.reply_to = mail.reply_to;
  answer.numbered = false;
  mesh_.answer(watch.port, std::move(answer));
}

void Home::store_state(StoreStateMail&& mail, Instant now) {
  const bool anew = mail.epoch != store_.epoch;
  if (!anew && mail.floor > store_.floor) raise_floor(mail.floor);
  if (anew) {
    for (auto& [name, in] : namespaces_) in.ended_floor = 0;
    for (auto& [name, room] : rooms_) {
      if (!room->stored()) continue;
      room->epoch = mail.epoch;
      room->last = mail.floor;
      room->history.restart(mail.floor);
      room->behind.clear();
      idle_from(*room, now);
      recipients(*room).for_each([&](ShardIndex shard) {
        mesh_.answer(shard, EpochMail{room->name, {mail.epoch, mail.top}});
      });
    }
    store_.top = 0;
    store_.was_ready = false;
  }
  store_.epoch = std::move(mail.epoch);
  store_.floor = mail.floor;
  store_.top = std::max(mail.top, store_.top);
  store_.ready = mail.ready;
  store_.was_ready |= mail.ready;
  for (std::uint32_t shard = 0; shard < mesh_.shards(); ++shard) position_due_.add({shard});
  if (store_.ready) retry_waiting(now);
}

// Rows were deleted before this daemon had read them: nobody has them, and nobody may think so.
void Home::raise_floor(Offset floor) {
  for (auto& [name, room] : rooms_) {
    if (!room->stored() || room->history.floor() >= floor) continue;
    room->history.restart(floor);
    room->last = std::max(room->last, floor);
    recipients(*room).for_each([&](ShardIndex shard) {
      mesh_.answer(shard, GapMail{room->name, std::min(store_.before_top, floor), floor,
                                  GapMail::Reason::expired});
    });
  }
}

void Home::store_position(const StorePositionMail& mail, Instant now) {
  if (mail.offset > store_.top) store_.before_top = std::exchange(store_.top, mail.offset);
  for (std::uint32_t shard = 0; shard < mesh_.shards(); ++shard) position_due_.add({shard});
  if (!waiting_.empty()) retry_waiting(now);
}

void Home::recorded(const RecordedMail& mail, Instant now) {
  const auto asked = [&](const Waiting& waiting) {
    return waiting.what == Waiting::For::recorded && *waiting.mail.recover == mail.position;
  };
  if (!mail.recorded) {
    std::erase_if(waiting_, [&](const Waiting& waiting) {
      if (!asked(waiting)) return false;
      refuse(waiting.mail, {Errc::unavailable, mail.recorded.error().detail});
      return true;
    });
    return;
  }
  for (Waiting& waiting : waiting_) {
    if (!asked(waiting)) continue;
    if (*mail.recorded) {
      waiting.what = Waiting::For::position;
      continue;
    }
    // A position that nobody has given: the client's past is not ours.
    waiting.mail.recover = Position{};
    waiting.what = Waiting::For::ready;
  }
  retry_waiting(now);
}

void Home::retry_waiting(Instant now) {
  std::vector<Waiting> all = std::move(waiting_);
  waiting_.clear();
  for (Waiting& waiting : all) {
    const bool ready = store_.ready && waiting.what == Waiting::For::ready;
    // Of another epoch by now: no window will bring it.
    const bool here =
        waiting.what != Waiting::For::ready && store_.ready &&
        (waiting.mail.recover->epoch != store_.epoch ||
         (waiting.what == Waiting::For::position && store_.top >= waiting.mail.recover->offset));
    if (ready || here)
      subscribe(std::move(waiting.mail), now);
    else if (waiting.deadline <= now)
      refuse(waiting.mail, {Errc::unavailable, "the room's store is not ready, try again"});
    else
      waiting_.push_back(std::move(waiting));
  }
}

}  // namespace ringcast
