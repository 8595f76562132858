// Home: what becomes due by time.
#include <algorithm>
#include <utility>

#include "hub/home.hpp"

namespace ringcast {

void Home::run(Instant now) {
  check_rooms(now);
  if (presence_blocked_ || presence_at_ <= now) announce_presence(now);
  if (std::any_of(waiting_.begin(), waiting_.end(),
                  [&](const Waiting& waiting) { return waiting.deadline <= now; }))
    retry_waiting(now);
  bring_back_shards(now);
  if (!position_due_.empty()) send_position();
}

std::optional<Instant> Home::next_deadline() const {
  std::optional<Instant> next;
  const auto sooner = [&](Instant at) {
    if (!next || at < *next) next = at;
  };
  if (!checks_.empty()) sooner(checks_.begin()->first);
  if (presence_at_ != Instant::max()) sooner(presence_at_);
  for (const Waiting& waiting : waiting_) sooner(waiting.deadline);
  return next;
}

bool Home::waits_for_places() const {
  return presence_blocked_ || (store_.ready && !position_due_.empty()) ||
         std::any_of(flow_.begin(), flow_.begin() + mesh_.shards(),
                     [](const Flow& flow) { return flow.out || flow.busy_since; });
}

// At the latest at `at`; a check that comes sooner queues the next.
void Home::queue_check(Room& room, Instant at) {
  if (room.check_at) {
    if (*room.check_at <= at) return;
    checks_.erase({*room.check_at, &room});
  }
  room.check_at = at;
  checks_.emplace(at, &room);
}

// A room that nobody uses from now on has room_idle_s left.
void Home::idle_from(Room& room, Instant now) {
  if (!room.unused()) return;
  room.idle_since = now;
  queue_check(room, now + std::chrono::seconds(room.settings->room_idle_s));
}

void Home::check_rooms(Instant now) {
  while (!checks_.empty() && checks_.begin()->first <= now) {
    Room& room = *checks_.begin()->second;
    checks_.erase(checks_.begin());
    room.check_at.reset();
    check_room(room, now);
  }
}

void Home::check_room(Room& room, Instant now) {
  room.history.expire(now);
  if (room.dedupe) {
    room.dedupe->expire(now);
    if (room.dedupe->size() == 0) room.dedupe.reset();
  }
  if (room.unused()) {
    if (room.presence_queued) return;  // that will come here again
    if (!room.idle_since) room.idle_since = now;
    const Instant end = *room.idle_since + std::chrono::seconds(room.settings->room_idle_s);
    if (end > now) return queue_check(room, end);
    Namespace& in = namespaces_[room.settings->name];
    if (room.stored()) in.ended_floor = std::max(in.ended_floor, room.history.floor());
    --in.rooms;
    rooms_.erase(rooms_.find(room.name));
    return;
  }
  room.idle_since.reset();
  if (const auto expiry = room.history.next_expiry()) queue_check(room, *expiry);
  if (room.dedupe) queue_check(room, now + std::chrono::seconds(room.settings->dedupe_window_s));
}

void Home::queue_presence(Room& room) {
  if (room.presence_queued || !room.presence || !room.presence->dirty()) return;
  room.presence_queued = true;
  presence_.push_back(&room);
  presence_at_ = std::min(presence_at_, *room.presence->due());
}

void Home::announce_presence(Instant now) {
  std::vector<Room*> later;
  presence_at_ = Instant::max();
  presence_blocked_ = false;
  for (Room* room : presence_) {
    const auto due = room->presence->due();
    if (!due) {  // joined and left again
      room->presence_queued = false;
      idle_from(*room, now);
      continue;
    }
    if (*due > now) {
      presence_at_ = std::min(presence_at_, *due);
      later.push_back(room);
      continue;
    }
    bool places = true;
    recipients(*room).for_each([&](ShardIndex shard) {
      if (!flow_[shard.value].out && !mesh_.is_port(shard) && mesh_.room_at(shard) == 0)
        places = false;
    });
    if (!places) {
      presence_blocked_ = true;
      later.push_back(room);
      continue;
    }
    PresenceUpdateMail update = room->presence->announce(
        room->settings->presence_users_max, now, Millis(room->settings->presence_interval_ms));
    update.room = room->name;
    recipients(*room).for_each([&](ShardIndex shard) {
      if (!flow_[shard.value].out) std::ignore = mesh_.try_send(shard, PresenceUpdateMail(update));
    });
    room->presence_queued = false;
    idle_from(*room, now);
  }
  presence_ = std::move(later);
}

// A shard that drains again gets what it missed, as much at a time as it has places for. It is back
// in the audience when it has everything: what is published meanwhile is missed as well, and comes
// from history behind the rest.
void Home::bring_back_shards(Instant now) {
  for (std::uint32_t i = 0; i < flow_.size(); ++i) {
    Flow& flow = flow_[i];
    const ShardIndex shard{i};
    // It took something: the time that it may stand still begins anew.
    if (flow.busy_since && !flow.out && mesh_.room_at(shard) != 0) flow.busy_since.reset();
    if (!flow.out) continue;
    // Half of its places free: not at the first one, or each of them would cost a look.
    if (mesh_.room_at(shard) >= config_.engine.mailbox_max / 2 && catch_up(shard, now))
      flow = {};
    else if (mesh_.is_port(shard))
      mesh_.ask_for_places(shard);
  }
  std::erase_if(behind_, [&](const std::string& name) {
    const Room* room = find(name);
    return room == nullptr || room->behind.empty();
  });
}

// False: there are no more places. The rooms take turns, so that one in which more is published
// than the shard takes does not keep the others waiting.
bool Home::catch_up(ShardIndex shard, Instant now) {
  for (auto name = behind_.begin(); name != behind_.end(); ++name) {
    Room* room = find(*name);
    if (room == nullptr || catch_up(*room, shard, now)) continue;
    std::rotate(behind_.begin(), name + 1, behind_.end());
    return false;
  }
  return true;
}

// From history, behind a gap for what that holds no more.
bool Home::catch_up(Room& room, ShardIndex shard, Instant now) {
  const auto behind =
      std::find_if(room.behind.begin(), room.behind.end(),
                   [&](const Room::Behind& candidate) { return candidate.shard == shard; });
  if (behind == room.behind.end()) return true;
  if (mesh_.room_at(shard) == 0) return false;
  room.history.expire(now);
  const Offset floor = room.history.floor();
  if (!room.numbered() || behind->from < floor) {
    const auto reason = mesh_.is_port(shard) ? GapMail::Reason::overflow : GapMail::Reason::shard;
    mesh_.answer(shard, GapMail{room.name, behind->from, floor, reason});
    behind->from = floor;
  }
  const auto places = static_cast<std::uint32_t>(mesh_.room_at(shard));
  History::Page page = room.history.page(behind->from, places, UINT64_MAX);
  for (EventRef& event : page.events) {
    behind->from = event->offset;
    const bool sent = mesh_.try_send(shard, DeliverMail{std::move(event)});
    ensure(sent, "a place that was there a moment ago is gone");
  }
  if (page.more) return false;
  room.behind.erase(behind);
  idle_from(room, now);
  return true;
}

void Home::send_position() {
  if (!store_.ready) return;
  position_due_.for_each([&](ShardIndex shard) {
    if (flow_[shard.value].out) return;  // it would overtake what the shard has missed
    if (mesh_.try_send(shard, HomePositionMail{mesh_.self(), {store_.epoch, store_.top}}))
      position_due_.remove(shard);
  });
}

}  // namespace ringcast
