#include "pg/listener.hpp"

#include <algorithm>
#include <utility>

#include "base/log.hpp"
#include "message/uuid.hpp"

namespace ringcast::pg {

namespace {

constexpr std::string_view kChannel = "ringcast_outbox";
constexpr Timeouts kTimeouts{.connect = Millis{3'000}, .statement = Millis{3'000}};
constexpr Millis kReconnectFirst{50};
// Two windows in a row are a burst, more are load: then polling is cheaper for the writers.
constexpr int kBusyLooks = 8;

// A lease of six beats: a daemon that died stops costing writers their notify.
const Statement kArm = {"arm", R"sql(
insert into ringcast.reader (source, node, lease_until, armed)
values ('outbox', $1, clock_timestamp() + interval '60 seconds', $2::boolean)
on conflict (source, node) do update
  set armed = excluded.armed, lease_until = excluded.lease_until)sql"};

}  // namespace

std::string random_node() {
  std::string name = Uuid::random().text();
  std::erase(name, '-');
  return name;
}

Listener::Listener(std::string url, const Pace& pace, std::string node)
    : url_(std::move(url)),
      pace_(pace),
      node_(std::move(node)),
      backoff_({kReconnectFirst, pace.reconnect_max}, random_seed()) {}

Listener::~Listener() {
  if (!connection_) return;
  const auto gone =
      connection_->query("delete from ringcast.reader where node = $1", Params{}.add(node_));
  if (!gone) log::debug("outbox listener: {}", gone.error().detail);
}

void Listener::connect(Instant now) {
  auto made = Connection::open(url_, "ringcast listener", kTimeouts);
  if (!made) return drop(now, made.error().detail);
  connection_ = std::move(*made);
  // Nothing that this connection writes is worth a wait for the disk.
  auto listening = connection_->run("set synchronous_commit = off; listen " +
                                    std::string(kChannel) + "; listen " + own_channel());
  if (listening)
    listening = connection_->run(
        "delete from ringcast.reader where lease_until < clock_timestamp() - interval '1 hour'");
  if (!listening) return drop(now, listening.error().detail);
  armed_ = Armed::no;
  heard_ = false;
  look_now_ = true;
  first_beat(now);
}

// From another connection: behind a pooler of transactions the own one hears what it sent itself,
// together with the answer, and never what others send.
void Listener::first_beat(Instant now) {
  auto other = Connection::open(url_, "ringcast listener", kTimeouts);
  if (!other) return drop(now, other.error().detail);
  auto sent = other->query("select pg_notify($1, '')", Params{}.add(own_channel()));
  if (!sent) return drop(now, sent.error().detail);
  beat_at_ = now + pace_.beat_every;
  beat_until_ = now + pace_.beat_within;
  hear();
}

void Listener::drop(Instant now, std::string_view why) {
  const bool was_up = connection_.has_value();
  connection_.reset();
  beat_until_.reset();
  armed_ = Armed::no;
  look_now_ = true;
  if (was_up && !heard_) {
    log::warning(
        "outbox: no notification arrives ({}); polling instead. Behind a pooler of transactions "
        "none ever does: name the server itself, or a pool of sessions, in store.url",
        why);
    connect_at_ = now + pace_.retry_unheard;
  } else {
    log::warning("outbox: the listening connection is lost ({})", why);
    connect_at_ = now + backoff_.next();
  }
}

void Listener::suspect() {
  connection_.reset();
  beat_until_.reset();
  armed_ = Armed::no;
  look_now_ = true;
  connect_at_ = {};
}

void Listener::beat(Instant now) {
  auto sent = armed_ == Armed::no
                  ? Result<Rows>(Rows{})
                  : connection_->execute(kArm, Params{}.add(node_).add(std::string_view("true")));
  if (sent) sent = connection_->query("select pg_notify($1, '')", Params{}.add(own_channel()));
  if (!sent) return drop(now, sent.error().detail);
  beat_at_ = now + pace_.beat_every;
  beat_until_ = now + pace_.beat_within;
  hear();
}

void Listener::set_armed(Wish wish, Instant now) {
  const bool armed = wish == Wish::arm;
  auto done = connection_->execute(
      kArm, Params{}.add(node_).add(std::string_view(armed ? "true" : "false")));
  if (!done) return drop(now, done.error().detail);
  armed_ = armed ? Armed::settling : Armed::no;
  if (armed) {
    // A number handed out after the commit. A snapshot's xmax would not do: transactions with
    // higher numbers may be open already.
    auto mark = connection_->query("select pg_current_xact_id()::text::bigint");
    if (!mark) return drop(now, mark.error().detail);
    armed_at_ = static_cast<Xid>(mark->number(0, 0));
    settle_until_ = now + pace_.settle_max;
    look_now_ = true;
  }
  hear();
}

// What came in together with an answer no longer makes the socket readable.
void Listener::hear() {
  auto heard = connection_->take_notifications();
  if (!heard) return drop(SystemClock{}.now(), heard.error().detail);
  for (const Notification& notification : *heard) {
    heard_ = true;
    backoff_.succeeded();
    if (notification.channel == kChannel) {
      look_now_ = true;
    } else {
      beat_until_.reset();
    }
  }
}

void Listener::looked(Found found, Xid seen_below, Instant began, Instant now) {
  if (armed_ == Armed::settling && (seen_below > armed_at_ || now >= settle_until_))
    armed_ = Armed::yes;
  // Once armed, every commit behind this look notifies.
  look_now_ = found == Found::rows && armed_ != Armed::yes;
  if (found == Found::nothing) {
    busy_looks_ = 0;
  } else {
    busy_looks_ = loaded() || began - looked_at_ < pace_.loaded_within ? busy_looks_ + 1 : 1;
    rows_at_ = now;
    if (loaded()) loaded_at_ = now;
  }
  looked_at_ = now;
  rest_ = std::min<Nanos>((now - began) * pace_.rest_per_look, pace_.rest_max);
  if (armed_ != Armed::no && loaded()) set_armed(Wish::disarm, now);
}

bool Listener::loaded() const { return busy_looks_ >= kBusyLooks; }

Instant Listener::poll_at(Instant now) const {
  if (look_now_) return loaded() ? looked_at_ + rest_ : now;
  const bool quick = armed_ == Armed::settling || now - rows_at_ < pace_.busy_for;
  return looked_at_ + (quick && armed_ != Armed::yes ? pace_.poll_busy : pace_.poll_fallback);
}

Instant Listener::arm(std::vector<pollfd>& fds, Instant now) {
  if (!connection_ && now >= connect_at_) connect(now);
  if (connection_ && armed_ == Armed::no && now - loaded_at_ >= pace_.busy_for)
    set_armed(Wish::arm, now);
  Instant until = poll_at(now);
  if (connection_) {
    fds.push_back({.fd = connection_->socket(), .events = POLLIN, .revents = 0});
    until = std::min(until, beat_until_.value_or(beat_at_));
  } else {
    until = std::min(until, connect_at_);
  }
  return std::max(until, now);
}

bool Listener::woke(std::span<const pollfd> fds, Instant now) {
  if (connection_) {
    const auto own = std::find_if(fds.begin(), fds.end(), [&](const pollfd& entry) {
      return entry.fd == connection_->socket();
    });
    if (own != fds.end() && own->revents != 0) hear();
  }
  if (connection_ && beat_until_ && now >= *beat_until_) drop(now, "its own notify did not arrive");
  if (connection_ && !beat_until_ && now >= beat_at_) beat(now);
  return now >= poll_at(now);
}

}  // namespace ringcast::pg
