// The same publish twice gives the first answer back.
#pragma once

#include <boost/container/deque.hpp>
#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <string>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "message/event.hpp"

namespace ringcast {

// Keys of one room's recent publishes with their answers, for a window of time and at most
// count_max of them; the oldest is forgotten first.
//
// Thread: home shard. Lives inside its Room, and only for namespaces that are not `store`: there
// the database remembers.
class Dedupe final {
 public:
  struct Answer {
    Uuid id;
    Offset offset = 0;
  };

  Dedupe(std::uint32_t count_max, Millis window) : count_max_(count_max), window_(window) {}

  // Null if the key is new; its answer if the same was published; CONFLICT if other bytes were.
  [[nodiscard]] Result<const Answer*> find(const std::string& key, const Event& event, Instant now);
  void remember(std::string key, const Event& event, Instant now);
  void expire(Instant now);
  [[nodiscard]] std::size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    Answer answer;
    std::uint64_t digest = 0;
    std::size_t bytes = 0;
  };
  static Entry entry_of(const Event& event);

  std::uint32_t count_max_;
  Millis window_;
  boost::unordered_flat_map<std::string, Entry> entries_;
  boost::container::deque<std::pair<Instant, std::string>> oldest_first_;
};

}  // namespace ringcast
