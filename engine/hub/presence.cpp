#include "hub/presence.hpp"

#include <algorithm>

namespace ringcast {

void Presence::join(const std::string& user, ConnectionId connection) {
  auto& connections = users_[user];
  if (std::find(connections.begin(), connections.end(), connection) != connections.end()) return;
  connections.push_back(connection);
  if (connections.size() > 1) return;
  // Left and back between two announcements: nobody needs to know.
  if (left_.erase(user) == 0) joined_.insert(user);
}

void Presence::leave(const std::string& user, ConnectionId connection) {
  const auto found = users_.find(user);
  if (found == users_.end()) return;
  if (std::erase(found->second, connection) == 0 || !found->second.empty()) return;
  users_.erase(found);
  if (joined_.erase(user) == 0) left_.insert(user);
}

std::optional<Instant> Presence::due() const {
  if (!dirty()) return std::nullopt;
  return not_before_;
}

PresenceUpdateMail Presence::announce(std::uint32_t users_max, Instant now, Millis interval) {
  PresenceUpdateMail update;
  update.count = count();
  update.listed = users_.size() <= users_max;
  if (update.listed)
    for (const auto& [user, connections] : users_) update.users.push_back(user);
  update.joined.assign(joined_.begin(), joined_.end());
  update.left.assign(left_.begin(), left_.end());
  joined_.clear();
  left_.clear();
  not_before_ = now + interval;
  return update;
}

PresenceListMail Presence::list(const std::string& after, std::uint32_t limit) const {
  PresenceListMail page;
  page.count = count();
  for (auto user = users_.upper_bound(after); user != users_.end(); ++user) {
    if (page.users.size() == limit) {
      page.next = page.users.back();
      break;
    }
    page.users.push_back(user->first);
  }
  return page;
}

}  // namespace ringcast
