// Who is viewing a room: distinct users over all of their connections.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "message/mail.hpp"

namespace ringcast {

// The users of one room and what changed since the last announcement.
//
// Thread: home shard. Lives inside its Room. Bounded by the connections that may join
// (connections_max x rooms_per_connection_max). Announcements are volatile: at most one an
// interval, the first at once, the last state wins.
class Presence final {
 public:
  // Idempotent: a connection joins and leaves a room once, however often it says so.
  void join(const std::string& user, ConnectionId connection);
  void leave(const std::string& user, ConnectionId connection);

  [[nodiscard]] bool empty() const { return users_.empty() && !dirty(); }
  [[nodiscard]] bool dirty() const { return !joined_.empty() || !left_.empty(); }
  // When the next announcement may go out; none if there is nothing to announce.
  [[nodiscard]] std::optional<Instant> due() const;

  // What to announce now, with the full list if it has at most users_max. The next one is due
  // `interval` later.
  [[nodiscard]] PresenceUpdateMail announce(std::uint32_t users_max, Instant now, Millis interval);

  // At most `limit` users after `after`, in order of their names.
  [[nodiscard]] PresenceListMail list(const std::string& after, std::uint32_t limit) const;
  [[nodiscard]] std::uint32_t count() const { return static_cast<std::uint32_t>(users_.size()); }

 private:
  std::map<std::string, std::vector<ConnectionId>> users_;
  std::set<std::string> joined_;
  std::set<std::string> left_;
  Instant not_before_{};
};

}  // namespace ringcast
