#include "io/timers.hpp"

#include "base/ensure.hpp"

namespace ringcast::io {

TimerId Timers::schedule(Instant when, TimerPayload payload) {
  std::uint32_t index = 0;
  if (!free_.empty()) {
    index = free_.back();
    free_.pop_back();
  } else if (slots_.size() < timers_max_) {
    index = static_cast<std::uint32_t>(slots_.size());
    slots_.emplace_back();
  } else {
    return {};
  }
  Slot& slot = slots_[index];
  slot.payload = payload;
  if (++slot.generation == 0) slot.generation = 1;
  heap_.emplace_back();
  put(heap_.size() - 1, {when, order_++, index});
  sift_up(heap_.size() - 1);
  return {index, slot.generation};
}

void Timers::cancel(TimerId id) {
  if (!id || id.index >= slots_.size()) return;
  const Slot& slot = slots_[id.index];
  if (slot.generation != id.generation || slot.position == kFree) return;
  remove(slot.position);
}

std::optional<TimerPayload> Timers::pop_due(Instant now) {
  if (heap_.empty() || heap_.front().when > now) return std::nullopt;
  const TimerPayload payload = slots_[heap_.front().slot].payload;
  remove(0);
  return payload;
}

Instant Timers::next_deadline() const {
  return heap_.empty() ? Instant::max() : heap_.front().when;
}

void Timers::put(std::size_t position, const Entry& entry) {
  heap_[position] = entry;
  slots_[entry.slot].position = static_cast<std::uint32_t>(position);
}

void Timers::sift_up(std::size_t position) {
  const Entry entry = heap_[position];
  while (position > 0) {
    const std::size_t parent = (position - 1) / 2;
    if (!entry.before(heap_[parent])) break;
    put(position, heap_[parent]);
    position = parent;
  }
  put(position, entry);
}

void Timers::sift_down(std::size_t position) {
  const Entry entry = heap_[position];
  for (;;) {
    std::size_t child = position * 2 + 1;
    if (child >= heap_.size()) break;
    if (child + 1 < heap_.size() && heap_[child + 1].before(heap_[child])) ++child;
    if (!heap_[child].before(entry)) break;
    put(position, heap_[child]);
    position = child;
  }
  put(position, entry);
}

void Timers::remove(std::size_t position) {
  ensure(position < heap_.size(), "a timer's place in the heap");
  const std::uint32_t freed = heap_[position].slot;
  slots_[freed].position = kFree;
  free_.push_back(freed);
  const Entry last = heap_.back();
  heap_.pop_back();
  if (position == heap_.size()) return;
  put(position, last);
  sift_up(position);
  sift_down(slots_[last.slot].position);
}

}  // namespace ringcast::io
