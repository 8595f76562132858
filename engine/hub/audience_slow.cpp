// Subscribers whose sockets do not take everything: what may be dropped, and what was.
#include "hub/audience.hpp"

namespace ringcast {

namespace {

FrameLabels labels_of(const Channel& channel, Encoding encoding) {
  FrameLabels labels;
  labels.room = channel.room;
  labels.encoding = encoding;
  labels.conflate = channel.settings->slow_policy == SlowPolicy::latest;
  return labels;
}

void add_event(FrameLabels& labels, const Event& event) {
  labels.frames.push_back(
      {FrameLabels::Kind::event, event.offset, std::string(labels.conflate ? event.key : "")});
}

}  // namespace

// Of the frames that were just made of what the channel has pending.
void Audience::label(const Channel& channel, Encoding encoding, Batch& batch) const {
  FrameLabels labels = labels_of(channel, encoding);
  for (const Channel::Pending& pending : channel.pending) {
    if (pending.event)
      add_event(labels, *pending.event);
    else
      labels.frames.push_back(
          {pending.notice->replaceable ? FrameLabels::Kind::state : FrameLabels::Kind::notice,
           0,
           {}});
  }
  batch.label(std::move(labels));
}

void Audience::label(const Channel& channel, Encoding encoding, const History::Missed& missed,
                     Batch& batch) const {
  FrameLabels labels = labels_of(channel, encoding);
  for (const EventRef& event : *missed) add_event(labels, *event);
  batch.label(std::move(labels));
}

void Audience::pushed_slowly(Session& session, SendQueue::Pushed pushed) {
  note_losses(session);
  if (pushed != SendQueue::Pushed::full) return;
  metrics_.slow_consumers.add();
  close_session(session, CloseReason::slow_consumer);
}

void Audience::note_losses(Session& session) {
  if (!session.queue.has_losses()) return;
  const HeldFrames::Losses losses = session.queue.take_losses();
  metrics_.slow_dropped_oldest.add(losses.dropped_oldest);
  metrics_.slow_dropped_latest.add(losses.dropped_latest);
  metrics_.slow_conflated.add(losses.conflated);
  metrics_.gaps_overflow.add(losses.overflow_gaps);
  metrics_.gaps_conflated.add(losses.conflated_gaps);
}

}  // namespace ringcast
