#include "hub/verdicts.hpp"

#include <iterator>
#include <utility>

namespace ringcast {

namespace {

// No room and no user contains a zero octet.
std::string key_of(std::string_view user, std::string_view room) {
  std::string key;
  key.reserve(user.size() + room.size() + 1);
  ((key += user) += '\0') += room;
  return key;
}

}  // namespace

std::optional<bool> Verdicts::find(std::string_view user, std::string_view room, Instant now) {
  forget_expired(now);
  const auto found = by_key_.find(key_of(user, room));
  if (found == by_key_.end()) return std::nullopt;
  return found->second->allowed;
}

void Verdicts::remember(std::string_view user, std::string_view room, bool allowed, Instant now) {
  if (ttl_ == Nanos::zero()) return;
  forget_expired(now);
  std::string key = key_of(user, room);
  if (const auto known = by_key_.find(key); known != by_key_.end()) forget(known->second);
  if (by_key_.size() >= verdicts_max_) forget(by_age_.begin());
  by_age_.push_back({std::move(key), allowed, now + ttl_});
  by_key_.emplace(by_age_.back().key, std::prev(by_age_.end()));
}

void Verdicts::forget(Place place) {
  by_key_.erase(place->key);
  by_age_.erase(place);
}

void Verdicts::forget_expired(Instant now) {
  while (!by_age_.empty() && by_age_.front().until <= now) forget(by_age_.begin());
}

}  // namespace ringcast
