#include "hub/held_frames.hpp"

#include <algorithm>

#include "base/ensure.hpp"
#include "hub/encoder.hpp"

namespace ringcast {

std::string_view HeldFrames::Entry::view() const {
  return batch ? batch->view(begin, end) : std::string_view(copy).substr(begin, end - begin);
}

void HeldFrames::add(const Batch& batch, std::uint32_t begin, std::uint32_t end) {
  const FrameLabels* labels = batch.labels();
  if (labels == nullptr) return put_piece(entries_.end(), batch, begin, end);
  std::uint32_t frame = batch.frame_at(begin);
  if (batch.begin_of(frame) != begin) {
    const std::uint32_t stop = batch.begin_of(++frame);
    put_piece(entries_.end(), batch, begin, stop);
    begin = stop;
  }
  const std::shared_ptr<Line> line = line_of(*labels);
  const bool copied = labels->conflate || std::uint64_t{end - begin} * 4 < batch.size();
  const auto in_run = [&](std::uint32_t at) {
    return batch.begin_of(at) < end && labels->frames[at].kind == FrameLabels::Kind::event;
  };
  while (batch.begin_of(frame) < end) {
    if (copied || !in_run(frame)) {
      add_frame(batch, frame++, line);
      continue;
    }
    const std::uint32_t from = frame;
    while (frame < batch.frames() && in_run(frame)) ++frame;
    add_run(batch, batch.begin_of(from), batch.begin_of(frame), line);
  }
  write_gaps();
}

bool HeldFrames::trim(std::uint64_t bytes_max) {
  // What is announced takes a few octets too, so it may need a second round.
  while (bytes_ > bytes_max && oldest_ != entries_.end()) {
    while (bytes_ > bytes_max && oldest_ != entries_.end()) drop_one();
    write_gaps();
  }
  return bytes_ <= bytes_max;
}

void HeldFrames::gather(std::vector<iovec>& parts, std::size_t parts_full) const {
  for (const Entry& entry : entries_) {
    if (parts.size() == parts_full) return;
    const std::string_view octets = entry.view();
    // iovec is shared with reading and so not const; a send never writes through it.
    parts.push_back({const_cast<char*>(octets.data()), octets.size()});
  }
}

void HeldFrames::sent(std::uint64_t octets) {
  while (octets != 0) {
    ensure(!entries_.empty(), "SendQueue: more octets sent than held");
    Entry& front = entries_.front();
    if (front.size() > octets) {
      front.begin += static_cast<std::uint32_t>(octets);
      bytes_ -= octets;
      return begun(front);
    }
    octets -= front.size();
    remove(front);
  }
}

void HeldFrames::cut(std::string_view room) { lines_.erase(std::string(room)); }

const std::shared_ptr<HeldFrames::Line>& HeldFrames::line_of(const FrameLabels& labels) {
  std::shared_ptr<Line>& line = lines_[labels.room];
  if (!line) {
    line = std::make_shared<Line>();
    line->room = labels.room;
    line->encoding = labels.encoding;
    line->conflate = labels.conflate;
  }
  return line;
}

HeldFrames::Entry& HeldFrames::put(Entries::iterator where, Entry&& entry) {
  static_assert(sizeof(Entry) + 2 * sizeof(void*) <= kEntryBytes);
  const auto at = entries_.insert(where, std::move(entry));
  at->self = at;
  at->pinned = (at->batch ? at->batch->size() : at->copy.size()) + kEntryBytes;
  bytes_ += at->size();
  pinned_ += at->pinned;
  if (where == oldest_) oldest_ = at;
  return *at;
}

void HeldFrames::put_piece(Entries::iterator where, const Batch& batch, std::uint32_t begin,
                           std::uint32_t end) {
  Entry entry;
  if (std::uint64_t{end - begin} * 4 < batch.size()) {
    entry.copy = batch.view(begin, end);
    entry.end = end - begin;
  } else {
    entry.batch = batch.shared_from_this();
    entry.begin = begin;
    entry.end = end;
  }
  put(where, std::move(entry));
}

HeldFrames::Entry& HeldFrames::put_frame(Entries::iterator where, const Batch& batch,
                                         std::uint32_t frame) {
  const FrameLabels::Frame& label = batch.labels()->frames[frame];
  Entry entry;
  entry.copy = batch.view(batch.begin_of(frame), batch.begin_of(frame + 1));
  entry.end = static_cast<std::uint32_t>(entry.copy.size());
  entry.last = label.offset;
  if (label.kind == FrameLabels::Kind::event) entry.kind = Entry::Kind::single;
  return put(where, std::move(entry));
}

void HeldFrames::add_frame(const Batch& batch, std::uint32_t frame,
                           const std::shared_ptr<Line>& line) {
  const FrameLabels::Frame& label = batch.labels()->frames[frame];
  Entry& entry = put_frame(entries_.end(), batch, frame);
  link(entry, line, nullptr);
  if (label.kind == FrameLabels::Kind::state) {
    if (Entry* known = std::exchange(line->state, &entry)) take_out(*known);
    return;
  }
  if (entry.kind != Entry::Kind::single || !line->conflate || label.key.empty()) return;
  const auto place = line->by_key.try_emplace(label.key, nullptr).first;
  Entry* known = std::exchange(place->second, &entry);
  entry.key = &place->first;
  entry.pinned += label.key.size();
  pinned_ += label.key.size();
  if (known == nullptr) return;
  ++losses_.conflated;
  lose(*known, known->last, GapMail::Reason::conflated);
  take_out(*known);
}

void HeldFrames::add_run(const Batch& batch, std::uint32_t begin, std::uint32_t end,
                         const std::shared_ptr<Line>& line) {
  Entry entry;
  entry.kind = Entry::Kind::run;
  entry.batch = batch.shared_from_this();
  entry.begin = begin;
  entry.end = end;
  link(put(entries_.end(), std::move(entry)), line, nullptr);
}

// Before `next` in its line; at the end if that is null.
void HeldFrames::link(Entry& entry, const std::shared_ptr<Line>& line, Entry* next) {
  Entry*& behind = next != nullptr ? next->before : line->last;
  entry.line = line;
  entry.after = next;
  entry.before = std::exchange(behind, &entry);
  if (entry.before != nullptr) entry.before->after = &entry;
}

void HeldFrames::leave_line(Entry& entry) {
  if (!entry.line) return;
  Line& line = *entry.line;
  (entry.after != nullptr ? entry.after->before : line.last) = entry.before;
  if (entry.before != nullptr) entry.before->after = entry.after;
  entry.before = entry.after = nullptr;
  if (line.state == &entry) line.state = nullptr;
  if (entry.key != nullptr) {
    const auto known = line.by_key.find(*entry.key);
    if (known->second == &entry) line.by_key.erase(known);
    entry.key = nullptr;
  }
  if (line.last == nullptr) {
    const auto known = lines_.find(line.room);
    if (known != lines_.end() && known->second == entry.line) lines_.erase(known);
  }
  entry.line.reset();
}

void HeldFrames::remove(Entry& entry) {
  if (entry.unwritten) std::erase(unwritten_, &entry);
  leave_line(entry);
  bytes_ -= entry.size();
  pinned_ -= entry.pinned;
  if (oldest_ == entry.self) ++oldest_;
  entries_.erase(entry.self);
}

// The same in the middle of its line: gaps that meet become one.
void HeldFrames::take_out(Entry& entry) {
  Entry* gap = entry.before;
  Entry* next = entry.after;
  remove(entry);
  if (gap == nullptr || next == nullptr) return;
  if (gap->kind != Entry::Kind::gap || next->kind != Entry::Kind::gap) return;
  widen(*gap, next->last, next->reason);
  remove(*next);
}

void HeldFrames::drop_one() {
  Entry& entry = *oldest_;
  switch (entry.kind) {
    case Entry::Kind::fixed:
    case Entry::Kind::gap:
      ++oldest_;
      return;
    case Entry::Kind::run:
      return drop_first_of(entry);
    case Entry::Kind::single:
      ++(entry.line->conflate ? losses_.dropped_latest : losses_.dropped_oldest);
      lose(entry, entry.last, GapMail::Reason::overflow);
      return take_out(entry);
  }
}

void HeldFrames::drop_first_of(Entry& run) {
  const std::uint32_t frame = run.batch->frame_at(run.begin);
  const std::uint32_t stop = run.batch->begin_of(frame + 1);
  ++losses_.dropped_oldest;
  lose(run, run.batch->labels()->frames[frame].offset, GapMail::Reason::overflow);
  if (stop == run.end) return take_out(run);
  bytes_ -= stop - run.begin;
  run.begin = stop;
  if (std::uint64_t{run.size()} * 4 < run.batch->size()) copy_out(run);
}

void HeldFrames::copy_out(Entry& run) {
  for (std::uint32_t frame = run.batch->frame_at(run.begin); run.begin != run.end; ++frame) {
    link(put_frame(run.self, *run.batch, frame), run.line, &run);
    bytes_ -= run.batch->begin_of(frame + 1) - run.begin;
    run.begin = run.batch->begin_of(frame + 1);
  }
  remove(run);
}

// Announces the event at `offset` as missing, in front of the entry that holds it.
void HeldFrames::lose(Entry& entry, Offset offset, GapMail::Reason reason) {
  if (entry.before != nullptr && entry.before->kind == Entry::Kind::gap)
    return widen(*entry.before, offset, reason);
  Entry gap;
  gap.kind = Entry::Kind::gap;
  gap.unwritten = true;
  gap.reason = reason;
  gap.from = offset == 0 ? 0 : offset - 1;
  gap.last = offset;
  Entry& put_gap = put(entry.self, std::move(gap));
  link(put_gap, entry.line, &entry);
  unwritten_.push_back(&put_gap);
  ++(reason == GapMail::Reason::conflated ? losses_.conflated_gaps : losses_.overflow_gaps);
}

// `overflow` says that more is missing than what a newer event makes good, so it prevails.
void HeldFrames::widen(Entry& gap, Offset last, GapMail::Reason reason) {
  gap.last = std::max(gap.last, last);
  if (gap.reason != reason) gap.reason = GapMail::Reason::overflow;
  if (gap.unwritten) return;
  gap.unwritten = true;
  unwritten_.push_back(&gap);
}

void HeldFrames::write_gaps() {
  for (Entry* gap : unwritten_) {
    Batch frame;
    append_frame(gap->line->encoding,
                 notice_of(GapMail{gap->line->room, gap->from, gap->last, gap->reason}), frame);
    bytes_ -= gap->size();
    pinned_ -= gap->pinned;
    gap->copy = std::move(frame.bytes());
    gap->begin = 0;
    gap->end = static_cast<std::uint32_t>(gap->copy.size());
    gap->pinned = gap->copy.size() + kEntryBytes;
    gap->unwritten = false;
    bytes_ += gap->size();
    pinned_ += gap->pinned;
  }
  unwritten_.clear();
}

// The first frame is out in part: from now on it stays as it is.
void HeldFrames::begun(Entry& front) {
  if (!front.line) return;
  if (front.kind != Entry::Kind::run) {
    leave_line(front);
    front.kind = Entry::Kind::fixed;
    return;
  }
  const std::uint32_t frame = front.batch->frame_at(front.begin);
  if (front.batch->begin_of(frame) == front.begin) return;
  const std::uint32_t stop = front.batch->begin_of(frame + 1);
  put_piece(front.self, *front.batch, front.begin, stop);
  bytes_ -= stop - front.begin;
  front.begin = stop;
  if (front.begin == front.end) remove(front);
}

}  // namespace ringcast
