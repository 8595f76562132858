// What the outbox thread counts.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

#include "metrics/instruments.hpp"

namespace ringcast {

// Why rows fail: the words of FailedRow::reason, each a label.
inline constexpr std::array<std::string_view, 9> kFailReasons = {
    "invalid", "too_large", "reserved_type", "wrong_namespace", "unknown_event",
    "schema",  "poison",    "held",          "hold_full"};

// Thread: written by the outbox thread, read by any. Lives longer than that thread.
struct alignas(64) SourceMetrics {
  Counter windows;
  Counter rows;
  std::array<Counter, kFailReasons.size()> rows_failed;  // by the index of the reason
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
  Gauge window_rows;      // of the last window that had any
  Gauge dead_letters;
  Gauge held_rows;
  Gauge held_aggregates;
  Gauge oldest_transaction_ms;  // 0: none is open, or none can be seen
};

}  // namespace ringcast
