// When to look whether another process has committed.
#pragma once

#include <poll.h>

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"

namespace ringcast {

// Watches the folder of a database file by inotify, because the `-wal` file comes and goes. The
// kernel's event comes *before* the commit can be seen, so each one starts a burst of looks, at
// kLooks after it. A look that finds a change does not end the burst: the change may be the commit
// before the one that the event belongs to. Without inotify (no watches left) and for events that
// nobody sends (network file systems) the poll interval remains.
//
// Thread: outbox. Lives as long as its store's connection. Bounded: one descriptor, one watch.
class SqliteWatch final {
 public:
  static constexpr std::array<Nanos, 7> kLooks = {std::chrono::microseconds{100},
                                                  std::chrono::microseconds{300},
                                                  Millis{1},
                                                  Millis{3},
                                                  Millis{10},
                                                  Millis{30},
                                                  Millis{100}};

  // `folder` exists; `file` is the database's name in it.
  SqliteWatch(const std::string& folder, std::string file, Nanos poll_interval, Instant now);
  ~SqliteWatch();
  SqliteWatch(const SqliteWatch&) = delete;
  SqliteWatch& operator=(const SqliteWatch&) = delete;

  // Appends what to poll for and returns when to look at the latest.
  Instant arm(std::vector<pollfd>& fds) const;

  // After poll(): takes the events off and says whether it is time to look.
  bool due(std::span<const pollfd> fds, Instant now);

 private:
  bool take_events();
  [[nodiscard]] bool concerns_us(std::string_view name) const;

  int fd_ = -1;
  std::string file_;
  Nanos poll_interval_;
  Instant next_poll_;
  Instant burst_from_{};
  std::size_t look_ = kLooks.size();  // the next one of the burst; size(): no burst
};

}  // namespace ringcast
