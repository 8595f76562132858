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
    io::FileDescriptor listener;
  };

  explicit Shard(Parts parts);
  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;

  // Until a StopMail, and then until all connections have ended or stop_deadline_ms has passed.
  // The error says why the shard could not start; `started` is called once it has.
  template <class Started>
  [[nodiscard]] Result<void> run(Started&& started) {
    auto ring = io::Ring::create(parts_.ring);
    if (!ring) return ring.error();
    if (auto listening = (*ring)->listen(std::move(parts_.listener), 0); !listening)
      return listening.error();
    started((*ring)->describe());
    loop(**ring);
    return {};
  }

 private:
  struct Loop;
  void loop(io::Ring& ring);

  Parts parts_;
  SystemClock clock_;
};

}  // namespace ringcast
