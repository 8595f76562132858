#include "hub/home.hpp"

#include <fmt/format.h>

#include <utility>

#include "auth/grants.hpp"
#include "base/failpoint.hpp"
#include "message/names.hpp"

namespace ringcast {

namespace {

// Short enough to live inside its string, long enough never to come again.
Epoch new_epoch() { return Uuid::random().text().substr(0, 8); }

// What makes two publishes the same one. User ids have no control characters, so the separator
// keeps (user, key) pairs apart.
std::string dedupe_key(const PublishMail& mail) {
  if (!mail.idempotency_key.empty()) return "k" + mail.user + '\x1f' + mail.idempotency_key;
  return mail.id_given ? "i" + mail.event->id.text() : std::string();
}

}  // namespace

Home::Home(const Config& config, Mesh& mesh, ShardMetrics& metrics)
    : config_(config), mesh_(mesh), metrics_(metrics), flow_(mesh.addresses()) {
  ensure(mesh.addresses() <= kAddressesMax, "more shards and ports than a ShardSet holds");
}

Room* Home::find(std::string_view room) {
  const auto found = rooms_.find(room);
  return found == rooms_.end() ? nullptr : found->second.get();
}

Result<Room*> Home::find_or_make(std::string_view room) {
  if (Room* known = find(room)) return known;
  const NamespaceConfig& row = namespace_for(config_, room);
  if (namespaces_[row.name].rooms >= row.rooms_max)
    return {Errc::unavailable, fmt::format("room: namespace '{}' has its {} rooms (rooms_max)",
                                           namespace_of(room), row.rooms_max)};
  return &make(room, row);
}

Room& Home::make(std::string_view room, const NamespaceConfig& row) {
  Namespace& in = namespaces_[row.name];
  Position start{new_epoch(), 0};
  if (row.history == HistoryKind::store)
    start = {store_.epoch, std::max(store_.floor, in.ended_floor)};
  ++in.rooms;
  auto made = std::make_unique<Room>(std::string(room), row, std::move(start));
  for (const Watch& watch : watches_)
    if (pattern_includes(watch.pattern, room)) made->watchers.add(watch.port);
  return *rooms_.emplace(std::string(room), std::move(made)).first->second;
}

Offset Home::top_of(const Room& room) const {
  return room.stored() ? std::max(store_.top, room.last) : room.last;
}

// What is replayed at the start is no news to who watches a pattern.
ShardSet Home::recipients(const Room& room) const {
  return room.stored() && !store_.was_ready ? room.audience : room.audience | room.watchers;
}

// A shard without a place makes the whole publish wait, until it has stood still for stall_ms: then
// it leaves, and the others go on. An application may stand still as long as it likes, so a port
// leaves at once.
bool Home::has_places(const Room& room, Instant now) {
  bool all = true;
  recipients(room).for_each([&](ShardIndex shard) {
    Flow& flow = flow_[shard.value];
    if (flow.out) return;
    if (mesh_.room_at(shard) != 0) {
      flow.busy_since.reset();
      return;
    }
    if (!flow.busy_since) flow.busy_since = now;
    if (mesh_.is_port(shard)) mesh_.ask_for_places(shard);
    if (mesh_.is_port(shard) || now - *flow.busy_since >= Millis(config_.engine.stall_ms)) {
      flow.out = true;
      metrics_.shard_stalls.add();
      return;
    }
    metrics_.mailbox_blocked.add();
    all = false;
  });
  return all;
}

void Home::fan_out(Room& room, const EventRef& event) {
  recipients(room).for_each([&](ShardIndex shard) {
    if (!flow_[shard.value].out) {
      const bool sent = mesh_.try_send(shard, DeliverMail{event});
      ensure(sent, "a place that was there a moment ago is gone");
      return;
    }
    for (const Room::Behind& behind : room.behind)
      if (behind.shard == shard) return;
    if (room.behind.empty()) behind_.push_back(room.name);
    room.behind.push_back({shard, room.last});
  });
}

void Home::publish(PublishMail& mail, Instant now) {
  auto room = find_or_make(mail.event->room);
  if (!room) return answer(mail.reply_to, mail.event->room, room.error());
  publish_new(**room, mail, now);
}

// From the source: the offset is fixed, and a repeat (reopen, replay) is known by it.
Home::Published Home::publish_stored(StoredMail& mail, Instant now) {
  auto made = find_or_make(mail.event->room);
  if (!made) {
    Namespace& in = namespaces_[namespace_for(config_, mail.event->room).name];
    in.ended_floor = std::max(in.ended_floor, mail.event->offset);
    return Published::done;
  }
  Room& room = **made;
  if (mail.event->offset <= room.last) {
    metrics_.duplicates_dropped.add();
    return Published::done;
  }
  if (!has_places(room, now)) return Published::busy;
  failpoint("publish", mail.event->data);
  fan_out(room, mail.event);
  room.last = mail.event->offset;
  room.history.push(std::move(mail.event), now);
  if (const auto expiry = room.history.next_expiry()) queue_check(room, *expiry);
  metrics_.published_by_source.add();
  return Published::done;
}

void Home::publish_new(Room& room, PublishMail& mail, Instant now) {
  std::string key = dedupe_key(mail);
  if (!key.empty() && room.dedupe) {
    const auto first = room.dedupe->find(key, *mail.event, now);
    if (!first) return answer(mail.reply_to, room.name, first.error());
    if (*first != nullptr) {
      Appended repeat{(*first)->id, {}, {}};
      if (room.numbered()) {
        repeat.offset = (*first)->offset;
        repeat.epoch = room.epoch;
      }
      return answer(mail.reply_to, room.name, std::move(repeat));
    }
  }
  if (!has_places(room, now))
    return answer(mail.reply_to, room.name,
                  Error{Errc::unavailable, "subscribers are busy, try again"});

  mail.event->offset = room.numbered() ? room.last + 1 : 0;
  if (!key.empty()) {
    if (!room.dedupe)
      room.dedupe = std::make_unique<Dedupe>(room.settings->dedupe_max,
                                             std::chrono::seconds(room.settings->dedupe_window_s));
    room.dedupe->remember(std::move(key), *mail.event, now);
    queue_check(room, now + std::chrono::seconds(room.settings->dedupe_window_s));
  }
  const EventRef event = std::move(mail.event);
  fan_out(room, event);
  Appended done{event->id, {}, {}};
  if (room.numbered()) {
    room.last = event->offset;
    room.history.push(event, now);
    done.offset = event->offset;
    done.epoch = room.epoch;
    if (const auto expiry = room.history.next_expiry()) queue_check(room, *expiry);
  } else {
    idle_from(room, now);
  }
  metrics_.published_by_clients.add();
  answer(mail.reply_to, room.name, std::move(done));
}

void Home::answer(const ReplyTo& to, std::string_view room, Result<Appended> outcome) {
  if (!to.wants(outcome)) return;
  PublishedMail answer{to, std::string(room), std::move(outcome)};
  if (to.tag != ReplyTo::kErrorsOnly)
    mesh_.answer(to.connection.shard, std::move(answer));
  else if (!mesh_.try_send(to.connection.shard, std::move(answer)))
    metrics_.answers_to_gone.add();
}

}  // namespace ringcast
