// Home: what becomes due by time.
#include <algorithm>

#include "hub/home.hpp"

namespace ringcast {

void Home::run(Instant now) {
  check_rooms(now);
  if (!presence_.empty()) announce_presence(now);
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
  for (const Room* room : presence_)
    if (const auto due = room->presence.due()) sooner(*due);
  for (const Waiting& waiting : waiting_) sooner(waiting.deadline);
  return next;
}

void Home::queue_check(Room& room, Instant at) {
  if (room.check_queued) return;  // the check that comes sooner queues the next
  room.check_queued = true;
  checks_.emplace(at, &room);
}

void Home::check_rooms(Instant now) {
  while (!checks_.empty() && checks_.begin()->first <= now) {
    Room& room = *checks_.begin()->second;
    checks_.erase(checks_.begin());
    room.check_queued = false;
    check_room(room, now);
  }
}

void Home::check_room(Room& room, Instant now) {
  room.history.expire(now);
  room.dedupe.expire(now);
  if (room.unused() && !room.presence_queued) {
    if (room.stored()) ended_floor_ = std::max(ended_floor_, room.history.floor());
    --rooms_in_[room.settings->name];
    rooms_.erase(rooms_.find(room.name));
    return;
  }
  if (const auto expiry = room.history.next_expiry())
    queue_check(room, *expiry);
  else if (room.dedupe.size() != 0)
    queue_check(room, now + std::chrono::seconds(room.settings->dedupe_window_s));
}

void Home::queue_presence(Room& room) {
  if (room.presence_queued || !room.presence.dirty()) return;
  room.presence_queued = true;
  presence_.push_back(&room);
}

void Home::announce_presence(Instant now) {
  std::vector<Room*> later;
  for (Room* room : presence_) {
    const auto due = room->presence.due();
    if (!due) {  // joined and left again
      room->presence_queued = false;
      queue_check(*room, now + std::chrono::seconds(room->settings->room_idle_s));
      continue;
    }
    bool places = true;
    room->audience.for_each([&](ShardIndex shard) {
      if (!flow_[shard.value].out && mesh_.room_at(shard) == 0) places = false;
    });
    if (*due > now || !places) {
      later.push_back(room);
      continue;
    }
    PresenceUpdateMail update = room->presence.announce(
        room->settings->presence_users_max, now, Millis(room->settings->presence_interval_ms));
    update.room = room->name;
    room->audience.for_each([&](ShardIndex shard) {
      if (!flow_[shard.value].out) std::ignore = mesh_.try_send(shard, PresenceUpdateMail(update));
    });
    room->presence_queued = false;
    if (room->unused()) queue_check(*room, now + std::chrono::seconds(room->settings->room_idle_s));
  }
  presence_ = std::move(later);
}

// A shard that drains again gets what it missed; it is back in the audience from then on.
void Home::bring_back_shards(Instant now) {
  for (std::uint32_t i = 0; i < flow_.size(); ++i) {
    Flow& flow = flow_[i];
    const ShardIndex shard{i};
    // Half of its places free: not at the first one, or it would be out again at once.
    if (!flow.out || mesh_.room_at(shard) < config_.engine.mailbox_max / 2) continue;
    flow = {};
    for (const std::string& name : behind_)
      if (Room* room = find(name)) catch_up(*room, shard);
  }
  std::erase_if(behind_, [&](const std::string& name) {
    const Room* room = find(name);
    return room == nullptr || room->behind.empty();
  });
  std::ignore = now;
}

// From history where it holds everything, else with a gap that says so.
void Home::catch_up(Room& room, ShardIndex shard) {
  const auto behind =
      std::find_if(room.behind.begin(), room.behind.end(),
                   [&](const Room::Behind& candidate) { return candidate.shard == shard; });
  if (behind == room.behind.end()) return;
  const Offset from = behind->from;
  room.behind.erase(behind);
  const auto missed = room.history.after(from, room.settings->recover_max);
  if (missed && (*missed)->size() < mesh_.room_at(shard)) {
    for (const EventRef& event : **missed) {
      const bool sent = mesh_.try_send(shard, DeliverMail{event});
      ensure(sent, "a place that was there a moment ago is gone");
    }
    return;
  }
  mesh_.answer(shard, GapMail{room.name, from, room.last, GapMail::Reason::shard});
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
