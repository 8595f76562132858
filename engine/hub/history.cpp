#include "hub/history.hpp"

#include <algorithm>

#include "base/ensure.hpp"

namespace ringcast {

void History::push(EventRef event, Instant now) {
  ensure(entries_.empty() || entries_.back().event->offset < event->offset,
         "History: offsets must rise");
  cached_.reset();
  entries_.push_back({std::move(event), now});
  while (entries_.size() > size_max_) drop_front();
}

void History::expire(Instant now) {
  while (!entries_.empty() && entries_.front().at + ttl_ <= now) drop_front();
}

void History::restart(Offset floor) {
  cached_.reset();
  entries_.clear();
  floor_ = floor;
}

std::optional<Instant> History::next_expiry() const {
  if (entries_.empty()) return std::nullopt;
  return entries_.front().at + ttl_;
}

std::optional<History::Missed> History::after(Offset from, std::uint32_t count_max) {
  if (from < floor_) return std::nullopt;
  if (cached_ && cached_from_ == from && cached_->size() <= count_max) return cached_;
  const auto first = std::upper_bound(
      entries_.begin(), entries_.end(), from,
      [](Offset offset, const Entry& entry) { return offset < entry.event->offset; });
  if (entries_.end() - first > static_cast<std::ptrdiff_t>(count_max)) return std::nullopt;
  auto missed = std::make_shared<std::vector<EventRef>>();
  missed->reserve(static_cast<std::size_t>(entries_.end() - first));
  for (auto entry = first; entry != entries_.end(); ++entry) missed->push_back(entry->event);
  cached_from_ = from;
  cached_ = std::move(missed);
  return cached_;
}

History::Page History::page(Offset from, std::uint32_t count_max, std::uint64_t bytes_max) const {
  Page page;
  std::uint64_t bytes = 0;
  auto entry = std::upper_bound(
      entries_.begin(), entries_.end(), from,
      [](Offset offset, const Entry& held) { return offset < held.event->offset; });
  for (; entry != entries_.end() && page.events.size() < count_max; ++entry) {
    bytes += entry->event->data.size();
    if (bytes > bytes_max && !page.events.empty()) break;
    page.events.push_back(entry->event);
  }
  page.more = entry != entries_.end();
  return page;
}

History::Page History::newest(std::uint32_t count_max, std::uint64_t bytes_max) const {
  Page page;
  std::uint64_t bytes = 0;
  for (auto entry = entries_.rbegin(); entry != entries_.rend(); ++entry) {
    bytes += entry->event->data.size();
    if (page.events.size() == count_max || (bytes > bytes_max && !page.events.empty())) break;
    page.events.push_back(entry->event);
  }
  std::reverse(page.events.begin(), page.events.end());
  return page;
}

void History::drop_front() {
  floor_ = entries_.front().event->offset;
  entries_.pop_front();
  cached_.reset();
}

}  // namespace ringcast
