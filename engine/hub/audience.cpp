#include "hub/audience.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "message/home_shard.hpp"

namespace ringcast {

namespace {

void count_gap(ShardMetrics& metrics, GapMail::Reason reason) {
  switch (reason) {
    case GapMail::Reason::overflow:
      return metrics.gaps_overflow.add();
    case GapMail::Reason::expired:
      return metrics.gaps_expired.add();
    case GapMail::Reason::conflated:
      return metrics.gaps_conflated.add();
    case GapMail::Reason::shard:
      return metrics.gaps_shard.add();
  }
}

}  // namespace

Audience::Audience(const Config& config, Mesh& mesh, ShardMetrics& metrics)
    : config_(config),
      mesh_(mesh),
      metrics_(metrics),
      replies_(std::make_shared<Batch>()),
      encoder_(config.listen.compress_bytes_min, metrics),
      home_positions_(mesh.shards()) {}

void Audience::open(Session& session) {
  ensure(!session.opened, "Audience::open: this session is open");
  session.opened = true;
  const std::uint32_t slot = session.id.slot.index;
  if (slot >= by_slot_.size()) by_slot_.resize(slot + 1);
  ensure(by_slot_[slot] == nullptr, "Audience::open: another session has this slot");
  by_slot_[slot] = &session;
  ++sessions_;
}

void Audience::identify(Session& session, std::shared_ptr<const Identity> identity) {
  ensure(session.opened && session.subscriptions.empty(), "Audience::identify: too late");
  forget_user(session);
  session.identity = std::move(identity);
  if (!session.user().empty()) by_user_[std::string(session.user())].push_back(&session);
}

void Audience::close(Session& session) {
  if (!session.opened) return;
  session.opened = false;
  leave_rooms(session);
  by_slot_[session.id.slot.index] = nullptr;
  --sessions_;
  forget_user(session);
  if (session.dirty) std::erase(dirty_, &session);
  session.dirty = false;
}

void Audience::leave_rooms(Session& session) {
  while (!session.subscriptions.empty()) drop(session, session.subscriptions.size() - 1);
}

void Audience::forget_user(Session& session) {
  const auto user = by_user_.find(session.user());
  if (user == by_user_.end()) return;
  std::erase(user->second, &session);
  if (user->second.empty()) by_user_.erase(user);
}

Session* Audience::find(ConnectionId id) {
  if (id.slot.index >= by_slot_.size()) return nullptr;
  Session* session = by_slot_[id.slot.index];
  return session != nullptr && session->id == id ? session : nullptr;
}

Channel* Audience::find_channel(std::string_view room) {
  const auto found = channels_.find(room);
  return found == channels_.end() ? nullptr : found->second.get();
}

// A session has one to a channel at most.
Session::Subscription* Audience::find_subscription(Session& session, const Channel* channel) {
  const auto found = std::find_if(session.subscriptions.begin(), session.subscriptions.end(),
                                  [&](const auto& s) { return s.channel == channel; });
  return found == session.subscriptions.end() ? nullptr : &*found;
}

Channel& Audience::channel_of(std::string_view room) {
  if (Channel* channel = find_channel(room)) return *channel;
  auto made = std::make_unique<Channel>();
  made->room = room;
  made->settings = &settings(room);
  return *channels_.emplace(std::string(room), std::move(made)).first->second;
}

Result<void> Audience::subscribe(Session& session, std::string_view room, std::uint64_t tag,
                                 std::optional<Position> recover) {
  const Channel* known = find_channel(room);
  if (find_subscription(session, known) != nullptr)
    return {Errc::conflict, fmt::format("room: already subscribed to '{}'", room)};
  const std::uint32_t rooms_max = config_.limits.rooms_per_connection_max;
  if (session.subscriptions.size() >= rooms_max)
    return {Errc::rate_limited,
            fmt::format("room: a connection may subscribe to at most {} rooms", rooms_max)};
  SubscribeMail mail{std::string(room), {session.id, tag}, std::move(recover)};
  if (!mesh_.try_send(home_shard(room, mesh_.shards()), std::move(mail)))
    return {Errc::unavailable, "the room's shard is busy, try again"};
  Channel& channel = channel_of(room);
  ++channel.asked;
  channel.leaving = false;
  session.subscriptions.push_back({&channel, 0, false, tag});
  return {};
}

bool Audience::unsubscribe(Session& session, std::string_view room) {
  const auto* subscription = find_subscription(session, find_channel(room));
  if (subscription == nullptr) return false;
  drop(session, static_cast<std::size_t>(subscription - session.subscriptions.data()));
  return true;
}

// Swaps the last subscriber into the place that becomes free, so nothing is searched.
void Audience::drop(Session& session, std::size_t at) {
  if (session.caller) session.caller->rooms.reset();
  const Session::Subscription subscription = session.subscriptions[at];
  session.subscriptions[at] = session.subscriptions.back();
  session.subscriptions.pop_back();
  Channel& channel = *subscription.channel;
  if (subscription.joined) {
    Subscriber& place = channel.subscribers[subscription.index];
    place = channel.subscribers.back();
    channel.subscribers.pop_back();
    --channel.per_encoding[static_cast<std::size_t>(session.encoding)];
    --subscriptions_;
    if (subscription.index < channel.subscribers.size())
      for (auto& moved : place.session->subscriptions)
        if (moved.channel == &channel) moved.index = subscription.index;
  }
  leave_if_empty(channel);
}

void Audience::leave_if_empty(Channel& channel) {
  if (channel.leaving || channel.asked != 0 || !channel.subscribers.empty()) return;
  channel.leaving = true;
  leaves_.push_back(channel.room);
}

void Audience::send_leaves() {
  std::vector<std::string> again;
  for (std::string& room : leaves_) {
    Channel* channel = find_channel(room);
    // Somebody came back meanwhile, or the room was listed twice and is gone.
    if (channel == nullptr || !channel->leaving) continue;
    LeaveMail mail{room, mesh_.self()};
    if (!mesh_.try_send(home_shard(room, mesh_.shards()), std::move(mail))) {
      again.push_back(std::move(room));
      continue;
    }
    std::erase(dirty_channels_, channel);
    channels_.erase(channels_.find(room));
  }
  leaves_ = std::move(again);
}

void Audience::subscribed(SubscribedMail&& mail) {
  Channel* channel = find_channel(mail.room);
  ensure(channel != nullptr && channel->asked != 0, "an answer to a subscribe that nobody made");
  --channel->asked;
  Session* session = find(mail.reply_to.connection);
  Session::Subscription* subscription =
      session == nullptr ? nullptr : find_subscription(*session, channel);
  if (subscription == nullptr || subscription->tag != mail.reply_to.tag || subscription->joined) {
    // closed, or its grant was lost, before the answer came
    leave_if_empty(*channel);
    if (session == nullptr || session->closing) return;
    mail.error = Error{Errc::conflict, "room: it was left before the answer came"};
    session->peer->subscribed(*session, mail.reply_to.tag, mail);
    return;
  }
  if (mail.error) {
    drop(*session, static_cast<std::size_t>(subscription - session->subscriptions.data()));
    session->peer->subscribed(*session, mail.reply_to.tag, mail);
    return;
  }
  channel->epoch = mail.at.epoch;
  channel->numbered = mail.numbered;
  channel->stored = mail.stored;
  join(*session, *subscription, *channel);
  session->peer->subscribed(*session, mail.reply_to.tag, mail);
  if (!mail.missed) return;
  // The peer may have had an unsubscribe waiting for its answer.
  subscription = find_subscription(*session, channel);
  if (subscription != nullptr && subscription->joined) send_missed(*session, *channel, mail);
}

void Audience::join(Session& session, Session::Subscription& subscription, Channel& channel) {
  subscription.joined = true;
  if (session.caller) session.caller->rooms.reset();
  session.queue.cut(channel.room);
  subscription.index = static_cast<std::uint32_t>(channel.subscribers.size());
  channel.subscribers.push_back({&session, static_cast<std::uint32_t>(channel.pending.size())});
  ++channel.per_encoding[static_cast<std::size_t>(session.encoding)];
  ++subscriptions_;
}

void Audience::epoch_changed(EpochMail&& mail) {
  Channel* channel = find_channel(mail.room);
  if (channel == nullptr || channel->subscribers.empty()) return;
  // What waits is of the old epoch, and its frames may carry it: they go out first.
  if (!channel->pending.empty()) flush_room(*channel);
  channel->epoch = mail.at.epoch;
  add_pending(*channel, {nullptr, std::make_unique<const Notice>(notice_of(mail))});
}

void Audience::gap(GapMail&& mail) {
  Channel* channel = find_channel(mail.room);
  if (channel == nullptr || channel->subscribers.empty()) return;
  count_gap(metrics_, mail.reason);
  add_pending(*channel, {nullptr, std::make_unique<const Notice>(notice_of(mail))});
}

void Audience::presence_changed(PresenceUpdateMail&& mail) {
  Channel* channel = find_channel(mail.room);
  if (channel == nullptr || channel->subscribers.empty()) return;
  add_pending(*channel, {nullptr, std::make_unique<const Notice>(notice_of(mail))});
}

void Audience::home_position(const HomePositionMail& mail) {
  home_positions_[mail.home.value] = mail.at;
}

// Only at the end of a tick, when all that was handed over before is in the SendQueues: a position
// that overtook its events would make a client drop them as known.
void Audience::make_complete() {
  Position least = home_positions_.front();
  for (const Position& position : home_positions_) {
    if (position.epoch != least.epoch || position.offset == 0) return;
    least.offset = std::min(least.offset, position.offset);
  }
  complete_ = least;
}

void Audience::reply(Session& session, std::string_view frame) {
  append_reply(session, frame, config_.limits.reply_bytes_max);
}

void Audience::last_words(Session& session, std::string_view frame) {
  append_reply(session, frame, UINT64_MAX);
}

void Audience::append_reply(Session& session, std::string_view frame, std::uint64_t bytes_max) {
  const auto begin = static_cast<std::uint32_t>(replies_->size());
  replies_->bytes() += frame;
  replies_->end_frame();
  const auto end = static_cast<std::uint32_t>(replies_->size());
  // Also before the socket is known to be full: one packet of small requests asks for much more
  // than it weighs. A first answer may have any size.
  mark_dirty(session);
  session.reply_bytes += frame.size();
  const bool too_much = session.reply_bytes != frame.size() && session.reply_bytes > bytes_max;
  const auto pushed = session.queue.push(*replies_, begin, end, bytes_max);
  if (pushed != SendQueue::Pushed::queued || too_much) [[unlikely]]
    pushed_slowly(session, too_much ? SendQueue::Pushed::full : pushed);
}

void Audience::close_session(Session& session, CloseReason reason) {
  if (session.closing) return;
  session.closing = reason;
  mark_dirty(session);
}

void Audience::mark_dirty(Session& session) {
  if (session.dirty || !session.opened) return;
  session.dirty = true;
  session.reply_bytes = 0;
  dirty_.push_back(&session);
}

void Audience::end_tick() {
  batches_.clear();
  missed_.clear();
  if (replies_->size() != 0) replies_ = std::make_shared<Batch>();
}

}  // namespace ringcast
