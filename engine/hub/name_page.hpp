// One page of names out of a table that has no order.
#pragma once

#include <iterator>
#include <set>
#include <string_view>

#include "message/admin.hpp"

namespace ringcast {

// Keeps the first `count` names that belong to what is asked. A page costs a walk over the table,
// whatever its size: it is for operators, not for the way of events.
inline void offer_name(std::string_view name, const RoomsAsk& ask, std::size_t count,
                       std::set<std::string_view>& names) {
  if (!name.starts_with(ask.prefix) || name <= ask.after) return;
  if (names.size() == count && name >= *names.rbegin()) return;
  names.insert(name);
  if (names.size() > count) names.erase(std::prev(names.end()));
}

}  // namespace ringcast
