// From an event to slices in SendQueues: it waits in its channel for the end of the tick.
#include <algorithm>

#include "base/failpoint.hpp"
#include "hub/audience.hpp"

namespace ringcast {

void Audience::deliver(DeliverMail&& mail) {
  Channel* channel = find_channel(mail.event->room);
  if (channel == nullptr || channel->subscribers.empty()) return;  // they left meanwhile
  add_pending(*channel, {std::move(mail.event), nullptr});
}

void Audience::add_pending(Channel& channel, Channel::Pending&& pending) {
  if (pending.event) channel.pending_bytes += pending.event->data.size();
  channel.pending.push_back(std::move(pending));
  if (channel.dirty) return;
  channel.dirty = true;
  dirty_channels_.push_back(&channel);
}

// A room at rest sends at once. One that has just sent waits, and what comes meanwhile shares the
// visit of each socket.
Instant Audience::due(const Channel& channel) const {
  const NamespaceConfig& row = *channel.settings;
  if (row.flush_interval_ms == 0 || !holds_ ||
      channel.pending_bytes >= row.send_queue_bytes_max / 2)
    return Instant::min();
  return channel.flushed_at + Millis(row.flush_interval_ms);
}

void Audience::flush_rooms(Instant now, WallTime wall) {
  bool stored_held = false;
  std::size_t held = 0;
  next_flush_ = Instant::max();
  for (Channel* channel : dirty_channels_) {
    if (const Instant at = due(*channel); at > now) {
      next_flush_ = std::min(next_flush_, at);
      stored_held |= channel->stored;
      dirty_channels_[held++] = channel;
      continue;
    }
    record_delays(*channel, wall);
    flush_room(*channel);
    channel->dirty = false;
    channel->flushed_at = now;
  }
  dirty_channels_.resize(held);
  // A position that overtook held events would make a client drop them as known.
  if (!stored_held) make_complete();
}

// Once an event, for all who get it: the clock is read once a tick.
void Audience::record_delays(const Channel& channel, WallTime wall) {
  metrics_.tick_events.record(channel.pending.size());
  for (const Channel::Pending& pending : channel.pending) {
    if (!pending.event) continue;
    const WallTime since =
        pending.event->written == WallTime{} ? pending.event->time : pending.event->written;
    if (since > wall) continue;
    const Nanos delay = wall - since;
    metrics_.commit_to_socket.record(static_cast<std::uint64_t>(delay.count()),
                                     channel.subscribers.size());
  }
}

void Audience::flush_room(Channel& channel) {
  if (channel.pending.empty()) return;
  failpoint("deliver");
  mark_excluded(channel);
  for (std::size_t e = 0; e < kEncodings; ++e) {
    if (channel.per_encoding[e] == 0) continue;
    const auto encoding = static_cast<Encoding>(e);
    batches_.push_back(std::make_shared<Batch>());
    Batch& batch = *batches_.back();
    for (const Channel::Pending& pending : channel.pending) {
      if (pending.event)
        encoder_.append_frame(encoding, *pending.event, channel.epoch, batch);
      else
        encoder_.append_frame(encoding, *pending.notice, batch);
    }
    if (channel.settings->slow_policy != SlowPolicy::disconnect) label(channel, encoding, batch);
    metrics_.batches.add();
    metrics_.frames_encoded.add(batch.frames());
    for (const Subscriber& subscriber : channel.subscribers) {
      Session& session = *subscriber.session;
      if (session.encoding != encoding) continue;
      if (session.excluded) [[unlikely]] {
        push_allowed(session, channel, batch, subscriber.from_frame,
                     [&](std::uint32_t frame) { return channel.pending[frame].event.get(); });
        continue;
      }
      push_frames(session, channel, batch, subscriber.from_frame, batch.frames());
    }
  }
  for (Subscriber& subscriber : channel.subscribers) subscriber.from_frame = 0;
  for (Session* session : excluded_) session->excluded = false;
  excluded_.clear();
  channel.pending.clear();
  channel.pending_bytes = 0;
}

// One look-up per event that excludes somebody, none for all others.
void Audience::mark_excluded(Channel& channel) {
  for (const Channel::Pending& pending : channel.pending) {
    if (!pending.event || pending.event->exclude_user.empty()) continue;
    const auto user = by_user_.find(pending.event->exclude_user);
    if (user == by_user_.end()) continue;
    for (Session* session : user->second) {
      if (session->excluded) continue;
      session->excluded = true;
      excluded_.push_back(session);
    }
  }
}

// Slices around the events that are not for this user.
template <class EventAt>
void Audience::push_allowed(Session& session, const Channel& channel, const Batch& batch,
                            std::uint32_t from, EventAt event_at) {
  std::uint32_t begin = from;
  for (std::uint32_t frame = from; frame < batch.frames(); ++frame) {
    const Event* event = event_at(frame);
    if (event == nullptr || event->exclude_user.empty() || event->exclude_user != session.user())
      continue;
    if (begin < frame) push_frames(session, channel, batch, begin, frame);
    begin = frame + 1;
  }
  if (begin < batch.frames()) push_frames(session, channel, batch, begin, batch.frames());
}

void Audience::push_frames(Session& session, const Channel& channel, const Batch& batch,
                           std::uint32_t begin, std::uint32_t end) {
  if (begin >= end || session.closing) return;
  const auto pushed = session.queue.push(batch, batch.begin_of(begin), batch.begin_of(end),
                                         channel.settings->send_queue_bytes_max);
  if (pushed != SendQueue::Pushed::queued) [[unlikely]] {
    pushed_slowly(session, pushed);
    if (pushed == SendQueue::Pushed::full) return;
  }
  metrics_.deliveries.add(end - begin);
  mark_dirty(session);
}

void Audience::send_missed(Session& session, const Channel& channel, const SubscribedMail& mail) {
  if (mail.missed->empty()) return;
  auto cached = std::find_if(missed_.begin(), missed_.end(), [&](const MissedBatch& candidate) {
    return candidate.missed == mail.missed && candidate.encoding == session.encoding;
  });
  if (cached == missed_.end()) {
    auto batch = std::make_shared<Batch>();
    for (const EventRef& event : *mail.missed)
      encoder_.append_frame(session.encoding, *event, mail.at.epoch, *batch);
    if (channel.settings->slow_policy != SlowPolicy::disconnect)
      label(channel, session.encoding, mail.missed, *batch);
    metrics_.frames_encoded.add(batch->frames());
    missed_.push_back({mail.missed, session.encoding, std::move(batch)});
    cached = missed_.end() - 1;
  }
  push_allowed(session, channel, *cached->batch, 0,
               [&](std::uint32_t frame) { return (*mail.missed)[frame].get(); });
}

}  // namespace ringcast
