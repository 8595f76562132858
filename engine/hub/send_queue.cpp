#include "hub/send_queue.hpp"

#include <algorithm>
#include <utility>

#include "base/ensure.hpp"

namespace ringcast {

namespace {

iovec part_of(std::string_view bytes) {
  // iovec is shared with reading and so not const; a send never writes through it.
  return {const_cast<char*>(bytes.data()), bytes.size()};
}

}  // namespace

SendQueue::Rest& SendQueue::rest() {
  if (!rest_) rest_ = std::make_unique<Rest>();
  return *rest_;
}

SendQueue::Pushed SendQueue::push(const Batch& batch, std::uint32_t begin, std::uint32_t end,
                                  std::uint64_t bytes_max) {
  if (begin == end) return Pushed::queued;
  if (rest_ && (rest_->blocked || !rest_->held.empty())) [[unlikely]]
    return push_behind({&batch, begin, end}, bytes_max);
  add_to_tick({&batch, begin, end});
  return Pushed::queued;
}

void SendQueue::add_to_tick(const Slice& slice) {
  Slice* last = rest_ && !rest_->more.empty() ? &rest_->more.back() : &first_;
  if (last->batch == slice.batch && last->end == slice.begin)
    last->end = slice.end;
  else if (last->batch == nullptr)
    *last = slice;
  else
    rest().more.push_back(slice);
}

SendQueue::Pushed SendQueue::push_behind(const Slice& slice, std::uint64_t bytes_max) {
  HeldFrames& held = rest_->held;
  const bool over = !held.empty() && held.bytes() + slice.size() > bytes_max;
  if (!over && !rest_->blocked) {
    add_to_tick(slice);
    return Pushed::queued;
  }
  hold_behind(0);
  const bool droppable = slice.batch->labels() != nullptr;
  const std::uint64_t others_max = bytes_max - std::min<std::uint64_t>(bytes_max, slice.size());
  if (over && !droppable && (slice.size() > bytes_max || !held.trim(others_max)))
    return Pushed::full;
  held.add(*slice.batch, slice.begin, slice.end);
  if (over && droppable && !held.trim(bytes_max)) return Pushed::full;
  return held.losses().any() ? Pushed::lossy : Pushed::queued;
}

void SendQueue::gather(std::vector<iovec>& parts, std::size_t parts_max) const {
  if (blocked()) return;
  const std::size_t full = parts.size() + parts_max;
  if (rest_) rest_->held.gather(parts, full);
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
  std::uint64_t octets = 0;
  std::vector<iovec> gone;
  gather(gone, parts);
  for (const iovec& part : gone) octets += part.iov_len;
  hold_behind(octets);
  drop_memory_if_idle();
}

void SendQueue::sent_part(std::size_t octets) {
  rest().blocked = true;
  hold_behind(octets);
}

void SendQueue::unblock() {
  if (rest_) rest_->blocked = false;
  drop_memory_if_idle();
}

// So many octets are out: what is left of this tick's slices waits behind what waits already. Only
// what is not out may be dropped or replaced for what comes behind it.
void SendQueue::hold_behind(std::uint64_t octets) {
  HeldFrames& held = rest().held;
  const std::uint64_t of_held = std::min(octets, held.bytes());
  held.sent(of_held);
  octets -= of_held;
  const auto hold = [&](Slice slice) {
    const auto gone = static_cast<std::uint32_t>(std::min<std::uint64_t>(octets, slice.size()));
    octets -= gone;
    slice.begin += gone;
    if (slice.begin != slice.end) held.add(*slice.batch, slice.begin, slice.end);
  };
  if (first_.batch != nullptr) {
    hold(std::exchange(first_, {}));
    for (const Slice& slice : rest_->more) hold(slice);
    rest_->more.clear();
  }
  ensure(octets == 0, "SendQueue: more octets sent than held");
}

void SendQueue::drop_memory_if_idle() {
  if (rest_ && !rest_->blocked && rest_->held.empty() && rest_->more.empty() &&
      first_.batch == nullptr)
    rest_.reset();
}

}  // namespace ringcast
