// What the outbox thread counts.
#pragma once

#include "metrics/instruments.hpp"

namespace ringcast {

// Thread: written by the outbox thread, read by any. Lives longer than that thread.
struct alignas(64) SourceMetrics {
  Counter windows;
  Counter rows;
  Counter rows_failed;
  Counter events;
  Counter replayed;
  Counter appended;
  Counter polls_empty;
  Counter polls_full;
  Counter opens;
  Counter open_failures;
  Counter blocked_ms;
  Gauge behind_since_us;  // a time since 1970; 0: it has caught up
  Gauge ready;            // 1: the store is open and replayed
};

}  // namespace ringcast
