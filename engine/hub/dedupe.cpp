#include "hub/dedupe.hpp"

#include <functional>
#include <string_view>

namespace ringcast {

Dedupe::Entry Dedupe::entry_of(const Event& event) {
  const std::hash<std::string_view> hash;
  const std::uint64_t type = hash(event.type);
  return {{event.id, event.offset}, hash(event.data) ^ (type << 1 | type >> 63), event.data.size()};
}

Result<const Dedupe::Answer*> Dedupe::find(const std::string& key, const Event& event,
                                           Instant now) {
  expire(now);
  const auto found = entries_.find(key);
  if (found == entries_.end()) return static_cast<const Answer*>(nullptr);
  const Entry asked = entry_of(event);
  if (found->second.digest != asked.digest || found->second.bytes != asked.bytes)
    return {Errc::conflict, "this key was used for another event of the room"};
  return static_cast<const Answer*>(&found->second.answer);
}

void Dedupe::remember(std::string key, const Event& event, Instant now) {
  if (count_max_ == 0) return;
  while (oldest_first_.size() >= count_max_) {
    entries_.erase(oldest_first_.front().second);
    oldest_first_.pop_front();
  }
  entries_.emplace(key, entry_of(event));
  oldest_first_.emplace_back(now, std::move(key));
}

void Dedupe::expire(Instant now) {
  while (!oldest_first_.empty() && oldest_first_.front().first + window_ <= now) {
    entries_.erase(oldest_first_.front().second);
    oldest_first_.pop_front();
  }
}

}  // namespace ringcast
