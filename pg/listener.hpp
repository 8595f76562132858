// The sleep of the reader: a second connection that LISTENs, and writers that notify while it does.
#pragma once

#include <poll.h>

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "pg/connection.hpp"
#include "pg/snapshot.hpp"
#include "store/backoff.hpp"

namespace ringcast::pg {

// A notifying commit takes a lock that all of them share, so writers notify only while a row of
// ringcast.reader is armed: the reader arms it before it sleeps and disarms it under load. Under
// load it also rests four times as long as its look took, because that takes from the writers: each
// look that finds something is a commit, with a flush of the log.
// A writer that looked at the row just before sends none; therefore, once armed, the reader polls
// quickly until all transactions of that moment have ended (for a second at most: behind it is the
// fallback poll, which always runs).
//
// A listening connection can be dead without a sign. So it notifies itself every 10 s and must hear
// it within 2 s, else it is replaced. After each connect the reader polls once: what was notified
// in between is lost. Behind a transaction pooler nothing is ever heard: then the poll remains.
//
// Thread: outbox. Lives as long as the store. Never holds a transaction. Its errors are logged and
// cost latency only.
class Listener final {
 public:
  struct Pace {
    Millis poll_fallback{250};
    Millis poll_busy{5};
    int rest_per_look = 4;
    Millis rest_max{10};
    Millis loaded_within{1};  // looks that follow one another so soon are load
    Millis busy_for{50};      // after the load, before it arms
    Millis settle_max{1'000};
    Millis beat_every{10'000};
    Millis beat_within{2'000};
    Millis reconnect_max{5'000};
    Millis retry_unheard{30'000};  // after a connection on which nothing was ever heard
  };

  // `node`: this daemon's name in ringcast.reader.
  Listener(std::string url, const Pace& pace, std::string node);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  // The reader has looked at the table, since `began`. `seen_below`: see WindowReader.
  enum class Found : std::uint8_t { nothing, rows };
  void looked(Found found, Xid seen_below, Instant began, Instant now);

  // OutboxStore::arm and woke.
  Instant arm(std::vector<pollfd>& fds, Instant now);
  bool woke(std::span<const pollfd> fds, Instant now);

  // Connects anew at the next arm(): the main connection was lost, so this one is suspect.
  void suspect();

 private:
  enum class Armed : std::uint8_t { no, settling, yes };

  void connect(Instant now);
  void drop(Instant now, std::string_view why);
  void first_beat(Instant now);
  void beat(Instant now);
  enum class Wish : std::uint8_t { arm, disarm };
  void set_armed(Wish wish, Instant now);
  void hear();
  [[nodiscard]] Instant poll_at(Instant now) const;
  [[nodiscard]] bool loaded() const;
  [[nodiscard]] std::string own_channel() const { return "ringcast_" + node_; }

  std::string url_;
  Pace pace_;
  std::string node_;
  std::optional<Connection> connection_;
  Instant connect_at_{};
  Backoff backoff_;
  bool heard_ = false;  // anything, on this connection
  Instant beat_at_{};
  std::optional<Instant> beat_until_;  // when the beat that was sent must have been heard
  Armed armed_ = Armed::no;
  Xid armed_at_ = 0;  // every transaction that may have missed it has a lower number
  Instant settle_until_{};
  Instant rows_at_{};
  Instant loaded_at_{};
  Instant looked_at_{};
  Nanos rest_{0};       // behind that look, under load
  int busy_looks_ = 0;  // in a row, each soon after the one before, that found something
  bool look_now_ = true;
};

// A name that no other daemon and no start before has.
[[nodiscard]] std::string random_node();

}  // namespace ringcast::pg
