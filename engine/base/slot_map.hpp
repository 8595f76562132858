// Things under ids that can go stale but never point at another thing.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/ensure.hpp"
#include "base/ids.hpp"

namespace ringcast {

// Slots of T, each re-used under a new generation after erase(). Addresses of elements are stable.
//
// Thread: its owner's. Bounded by size_max given at construction; insert() then returns an id that
// is false. A generation is 32 bits and skips 0, so an old id is met again only after 2^32 - 1
// re-uses of one slot.
template <class T>
class SlotMap {
 public:
  explicit SlotMap(std::uint32_t size_max) : size_max_(size_max) {}

  template <class... Args>
  SlotId emplace(Args&&... args) {
    std::uint32_t index = 0;
    if (!free_.empty()) {
      index = free_.back();
      free_.pop_back();
    } else if (slots_.size() < size_max_) {
      index = static_cast<std::uint32_t>(slots_.size());
      slots_.emplace_back();
    } else {
      return {};
    }
    Slot& slot = slots_[index];
    if (++slot.generation == 0) slot.generation = 1;
    slot.value.emplace(std::forward<Args>(args)...);
    ++size_;
    return {index, slot.generation};
  }

  [[nodiscard]] T* find(SlotId id) {
    if (!id || id.index >= slots_.size()) return nullptr;
    Slot& slot = slots_[id.index];
    return slot.generation == id.generation && slot.value ? &*slot.value : nullptr;
  }

  void erase(SlotId id) {
    ensure(find(id) != nullptr, "SlotMap::erase of an id that is not there");
    slots_[id.index].value.reset();
    free_.push_back(id.index);
    --size_;
  }

  // visit(SlotId, T&) for every element; it may erase the element that it is given, no other.
  template <class Visit>
  void for_each(Visit visit) {
    for (std::uint32_t i = 0; i < slots_.size(); ++i)
      if (slots_[i].value) visit(SlotId{i, slots_[i].generation}, *slots_[i].value);
  }

  [[nodiscard]] std::uint32_t size() const { return size_; }

 private:
  struct Slot {
    std::optional<T> value;
    std::uint32_t generation = 0;
  };
  std::deque<Slot> slots_;
  std::vector<std::uint32_t> free_;
  std::uint32_t size_ = 0;
  std::uint32_t size_max_;
};

}  // namespace ringcast
