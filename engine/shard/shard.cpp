#include "shard/shard.hpp"

#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace ringcast {

namespace {

// Mail handled between two looks at the sockets: enough to fill batches, too little to starve
// reads.
constexpr std::size_t kMailPerTick = 1'024;
// How soon something that found no place is tried again: a shard that frees one does not wake us.
constexpr Millis kRetry{1};

}  // namespace

// What exists while the loop runs, in the order in which it is made.
struct Shard::Loop {
  Loop(Shard& shard, io::Ring& ring_)
      : ring(ring_),
        metrics(*shard.parts_.metrics),
        clock(shard.clock_),
        wakeup(*shard.parts_.wakeup),
        mail(*shard.parts_.mailbox),
        hub(shard.parts_.services->config, shard.parts_.services->handlers,
            Mesh(shard.parts_.index, std::move(shard.parts_.others), std::move(shard.parts_.source),
                 shard.parts_.services->config.engine.mailbox_max,
                 shard.parts_.services->config.engine.ports),
            metrics),
        connections(*shard.parts_.services, ring, hub, metrics, clock),
        stop_deadline(Millis(shard.parts_.services->config.engine.stop_deadline_ms)) {}

  std::size_t drain(Instant now);
  Instant deadline(Instant now) const;
  void tick();
  [[nodiscard]] bool over(Instant now) const;

  io::Ring& ring;
  ShardMetrics& metrics;
  const Clock& clock;
  Wakeup& wakeup;
  ShardMailbox::Receiver mail;
  Hub hub;
  Connections connections;
  Millis stop_deadline;
  std::optional<Instant> stop_at;
};

Shard::Shard(Parts parts) : parts_(std::move(parts)) { parts_.ring.wake_fd = parts_.wakeup->fd(); }

Result<void> Shard::pin() const {
  if (!parts_.cpu) return {};
  cpu_set_t mask;
  CPU_ZERO(&mask);
  CPU_SET(static_cast<std::size_t>(*parts_.cpu), &mask);
  if (sched_setaffinity(0, sizeof mask, &mask) == 0) return {};
  return {Errc::unavailable, fmt::format("engine.pin: shard {} on CPU {}: {}", parts_.index.value,
                                         *parts_.cpu, std::strerror(errno))};
}

void Shard::loop(io::Ring& ring) {
  // On the heap: the receiver's places for refused mail are too many for a stack frame.
  const auto loop = std::make_unique<Loop>(*this, ring);
  while (!loop->over(clock_.now())) loop->tick();
}

bool Shard::Loop::over(Instant now) const {
  return stop_at && (connections.size() == 0 || *stop_at <= now);
}

std::size_t Shard::Loop::drain(Instant now) {
  const std::size_t handled = mail.drain(kMailPerTick, [&](ShardMail&& item) {
    if (const auto* stop = std::get_if<StopMail>(&item)) {
      hub.audience().stop_holding();
      hub.audience().flush_rooms(now, clock.wall());
      connections.stop(stop->restart ? CloseReason::restart : CloseReason::going_away, now);
      stop_at = now + stop_deadline;
      return true;
    }
    return hub.handle(std::move(item), now);
  });
  metrics.mail_handled.add(handled);
  return handled;
}

Instant Shard::Loop::deadline(Instant now) const {
  Instant next = std::min(connections.next_deadline(), hub.next_deadline());
  if (hub.has_unsent() || mail.has_refused()) next = std::min(next, now + kRetry);
  if (stop_at) next = std::min(next, *stop_at);
  return next;
}

void Shard::Loop::tick() {
  // The last look at the mailbox comes after the flag, see Wakeup.
  wakeup.park();
  Instant now = clock.now();
  const bool busy = drain(now) != 0 || hub.mesh().has_local() || !hub.audience().dirty().empty();
  if (busy) wakeup.unpark();
  const auto events = ring.wait(busy ? now : deadline(now));
  wakeup.unpark();

  now = clock.now();
  for (const io::IoEvent& event : events) {
    if (event.kind == io::EventKind::woken) metrics.wakeups.add();
    connections.handle(event, now);
    // At once: a tick's events may ask more than mailbox_max, and nobody is slow here.
    hub.handle_local(kMailPerTick, now);
  }
  drain(now);
  connections.run_timers(now);
  hub.run(now);
  hub.handle_local(kMailPerTick, now);
  // Other shards begin on what is for them while this one sends.
  hub.mesh().wake_touched();
  hub.audience().flush_rooms(now, clock.wall());
  connections.flush(now);
  hub.audience().end_tick();
  hub.mesh().wake_touched();
  metrics.ticks.add();
  metrics.mailbox_depth.set(mail.size_approx());
  metrics.rooms.set(hub.home().rooms());
  metrics.subscriptions.set(hub.audience().subscriptions());
  metrics.pinned_bytes.set(connections.pinned_bytes());
}

}  // namespace ringcast
