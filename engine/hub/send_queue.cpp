#include "hub/send_queue.hpp"

#include <algorithm>

#include "base/ensure.hpp"

namespace ringcast {

namespace {

iovec part_of(std::string_view bytes) {
  // iovec is shared with reading and so not const; a send never writes through it.
  return {const_cast<char*>(bytes.data()), bytes.size()};
}

}  // namespace

std::string_view SendQueue::Held::view() const {
  return batch ? batch->view(begin, end) : std::string_view(copy).substr(begin, end - begin);
}

SendQueue::Rest& SendQueue::rest() {
  if (!rest_) rest_ = std::make_unique<Rest>();
  return *rest_;
}

SendQueue::Pushed SendQueue::push(const Batch& batch, std::uint32_t begin, std::uint32_t end,
                                  std::uint64_t bytes_max) {
  if (begin == end) return Pushed::queued;
  if (rest_ && rest_->held_bytes != 0 && rest_->held_bytes + (end - begin) > bytes_max)
    return Pushed::full;
  if (blocked()) {
    hold({&batch, begin, end});
    return Pushed::queued;
  }
  Slice* last = rest_ && !rest_->more.empty() ? &rest_->more.back() : &first_;
  if (last->batch == &batch && last->end == begin) {
    last->end = end;
  } else if (last->batch == nullptr) {
    *last = {&batch, begin, end};
  } else {
    rest().more.push_back({&batch, begin, end});
  }
  return Pushed::queued;
}

void SendQueue::gather(std::vector<iovec>& parts, std::size_t parts_max) const {
  if (blocked()) return;
  const std::size_t full = parts.size() + parts_max;
  if (rest_)
    for (const Held& held : rest_->held) {
      if (parts.size() == full) return;
      parts.push_back(part_of(held.view()));
    }
  if (first_.batch == nullptr || parts.size() == full) return;
  parts.push_back(part_of(first_.batch->view(first_.begin, first_.end)));
  if (!rest_) return;
  for (const Slice& slice : rest_->more) {
    if (parts.size() == full) return;
    parts.push_back(part_of(slice.batch->view(slice.begin, slice.end)));
  }
}

void SendQueue::sent_all(std::size_t parts) {
  if (!rest_) {  // the fast path: one slice, no memory
    ensure(parts <= 1, "SendQueue::sent_all: more parts than slices");
    if (parts == 1) first_ = {};
    return;
  }
  if (rest_->held.empty() && parts == 1 + rest_->more.size()) {
    first_ = {};
    rest_.reset();
    return;
  }
  std::size_t octets = 0;
  std::vector<iovec> gone;
  gather(gone, parts);
  for (const iovec& part : gone) octets += part.iov_len;
  hold_this_tick();
  drop_held(octets);
  drop_memory_if_idle();
}

void SendQueue::sent_part(std::size_t octets) {
  rest().blocked = true;
  hold_this_tick();
  drop_held(octets);
}

void SendQueue::unblock() {
  if (rest_) rest_->blocked = false;
  drop_memory_if_idle();
}

void SendQueue::hold(const Slice& slice) {
  Rest& into = rest();
  Held held;
  if (slice.size() * 4 < slice.batch->size()) {
    held.copy = slice.batch->view(slice.begin, slice.end);
    held.end = static_cast<std::uint32_t>(held.copy.size());
  } else {
    held.batch = slice.batch->shared_from_this();
    held.begin = slice.begin;
    held.end = slice.end;
  }
  held.pinned = held.batch ? held.batch->size() : held.copy.size();
  into.held_bytes += slice.size();
  into.pinned += held.pinned;
  into.held.push_back(std::move(held));
}

void SendQueue::hold_this_tick() {
  if (first_.batch == nullptr) return;
  hold(first_);
  first_ = {};
  for (const Slice& slice : rest_->more) hold(slice);
  rest_->more.clear();
}

void SendQueue::drop_held(std::size_t octets) {
  while (octets != 0) {
    ensure(!rest_->held.empty(), "SendQueue: more octets sent than held");
    Held& held = rest_->held.front();
    const std::size_t size = held.end - held.begin;
    const std::size_t taken = std::min(size, octets);
    octets -= taken;
    rest_->held_bytes -= taken;
    if (taken < size) {
      held.begin += static_cast<std::uint32_t>(taken);
      return;
    }
    rest_->pinned -= held.pinned;
    rest_->held.pop_front();
  }
}

void SendQueue::drop_memory_if_idle() {
  if (rest_ && !rest_->blocked && rest_->held.empty() && rest_->more.empty()) rest_.reset();
}

}  // namespace ringcast
