// Audience: what the server API asks about it.
#include "hub/audience.hpp"
#include "hub/name_page.hpp"

namespace ringcast {

void Audience::add_names(const RoomsAsk& ask, std::size_t count,
                         std::set<std::string_view>& names) const {
  for (const auto& [name, channel] : channels_)
    if (!channel->subscribers.empty()) offer_name(name, ask, count, names);
}

std::uint32_t Audience::subscribers(std::string_view room) const {
  const auto found = channels_.find(room);
  return found == channels_.end() ? 0
                                  : static_cast<std::uint32_t>(found->second->subscribers.size());
}

const std::vector<Session*>& Audience::sessions_of(std::string_view user) const {
  static const std::vector<Session*> kNobody;
  const auto found = by_user_.find(user);
  return found == by_user_.end() ? kNobody : found->second;
}

}  // namespace ringcast
