// What the application has said about users and rooms.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.hpp"

namespace ringcast {

// Whether a user may subscribe to a room, as the `authorize` hook said last. Anonymous ones are one
// user: nothing tells them apart.
//
// Thread: shard. Lives inside its Calls. A verdict holds for `ttl`; at verdicts_max the oldest is
// forgotten and would be asked for again.
class Verdicts final {
 public:
  Verdicts(Nanos ttl, std::uint32_t verdicts_max) : ttl_(ttl), verdicts_max_(verdicts_max) {}

  // None: it has to be asked for.
  [[nodiscard]] std::optional<bool> find(std::string_view user, std::string_view room, Instant now);
  void remember(std::string_view user, std::string_view room, bool allowed, Instant now);
  [[nodiscard]] std::size_t size() const { return by_key_.size(); }

 private:
  struct Verdict {
    std::string key;
    bool allowed;
    Instant until;
  };
  using Place = std::list<Verdict>::iterator;
  void forget(Place place);
  void forget_expired(Instant now);

  Nanos ttl_;
  std::uint32_t verdicts_max_;
  std::list<Verdict> by_age_;  // the oldest in front; all live equally long
  boost::unordered_flat_map<std::string_view, Place> by_key_;
};

}  // namespace ringcast
