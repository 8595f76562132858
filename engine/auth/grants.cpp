#include "auth/grants.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "message/names.hpp"

namespace ringcast {

Result<void> check_pattern(std::string_view pattern, std::string_view field) {
  if (pattern == "*") return {};
  if (pattern.size() > kRoomBytesMax)
    return {Errc::validation, fmt::format("{}: has {} octets, expected 1 to {}", field,
                                          pattern.size(), kRoomBytesMax)};
  const bool open_end = pattern.ends_with(":*");
  const std::string_view fixed = open_end ? pattern.substr(0, pattern.size() - 2) : pattern;
  if (fixed.find('*') != std::string_view::npos)
    return {Errc::validation,
            fmt::format("{}: '*' stands only alone or as the whole last part (room:*)", field)};
  return check_room(fixed, field);
}

bool pattern_includes(std::string_view pattern, std::string_view room) {
  if (pattern == "*") return true;
  if (!pattern.ends_with(":*")) return pattern == room;
  const std::string_view prefix = pattern.substr(0, pattern.size() - 1);
  return room.size() > prefix.size() && room.starts_with(prefix);
}

Result<void> Grants::add(Verb verb, std::string_view pattern) {
  if (auto checked = check_pattern(pattern, verb_name(verb)); !checked) return checked;
  if (size() >= kGrantsMax)
    return {Errc::validation,
            fmt::format("{}: more than {} patterns", verb_name(verb), kGrantsMax)};
  patterns_[static_cast<std::size_t>(verb)].emplace_back(pattern);
  return {};
}

bool Grants::allows(Verb verb, std::string_view room) const {
  const auto& list = patterns(verb);
  return std::any_of(list.begin(), list.end(), [room](const std::string& pattern) {
    return pattern_includes(pattern, room);
  });
}

const std::vector<std::string>& Grants::patterns(Verb verb) const {
  return patterns_[static_cast<std::size_t>(verb)];
}

std::size_t Grants::size() const {
  std::size_t total = 0;
  for (const auto& list : patterns_) total += list.size();
  return total;
}

Grants Grants::all() {
  Grants grants;
  for (auto& list : grants.patterns_) list.emplace_back("*");
  return grants;
}

Grants Grants::anonymous() {
  Grants grants;
  grants.patterns_[static_cast<std::size_t>(Verb::subscribe)].emplace_back("*");
  return grants;
}

}  // namespace ringcast
