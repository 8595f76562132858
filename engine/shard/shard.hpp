// The loop of one shard.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "hub/hub.hpp"
#include "io/listener.hpp"
#include "io/ring.hpp"
#include "metrics/shard_metrics.hpp"
#include "net/connections.hpp"
#include "net/services.hpp"
#include "queue/mailbox.hpp"
#include "queue/wakeup.hpp"

namespace ringcast {

using ShardMailbox = Mailbox<ShardMail>;

// One thread, one ring, its connections, its rooms, its timers.
//
// Thread: run() is the thread; all else is start-up. Lives in the Engine. Its tick: reap
// completions, drain mailboxes, run due timers, deliver every dirty room as one batch per encoding,
// flush every dirty connection with one send.
class Shard final {
 public:
  struct Parts {
    ShardIndex index;
    const Services* services = nullptr;
    ShardMailbox* mailbox = nullptr;
    Wakeup* wakeup = nullptr;
    ShardMetrics* metrics = nullptr;
    std::vector<ShardSender> others;
    std::optional<SourceSender> source;
    io::RingOptions ring;
    std::vector<io::FileDescriptor> listeners;
    std::optional<int> cpu;  // to be pinned to
  };

  explicit Shard(Parts parts);
  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;

  // Until a StopMail, and then until all connections have ended or stop_deadline_ms has passed.
  // The error says why the shard could not start; `started` is called once it has.
  template <class Started>
  [[nodiscard]] Result<void> run(Started&& started) {
    // First, so that what it allocates lies near that CPU.
    if (auto pinned = pin(); !pinned) return pinned.error();
    auto ring = io::Ring::create(parts_.ring);
    if (!ring) return ring.error();
    for (io::FileDescriptor& listener : parts_.listeners)
      if (auto listening = (*ring)->listen(std::move(listener), 0); !listening)
        return listening.error();
    started((*ring)->describe());
    loop(**ring);
    return {};
  }

 private:
  struct Loop;
  [[nodiscard]] Result<void> pin() const;
  void loop(io::Ring& ring);

  Parts parts_;
  SystemClock clock_;
};

}  // namespace ringcast
