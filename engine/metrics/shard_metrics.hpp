// What one shard counts.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <type_traits>

#include "base/ensure.hpp"
#include "base/result.hpp"
#include "metrics/instruments.hpp"

namespace ringcast {

inline constexpr std::size_t kCloseReasonsMax = 32;

// Nanoseconds from 16 us to 34 s, and events from 1 to 32,768.
using LatencyHistogram = Histogram<16'384, 22>;
using SizeHistogram = Histogram<1, 16>;

// Of one row of the application's handlers.
struct HandlerMetrics {
  Counter calls;                       // handed to the application
  Counter timeouts;                    // of these, not answered in time
  std::array<Counter, kErrcs> errors;  // by code, with what was refused before
  Counter own_errors;                  // under codes of the application's own
  Gauge broken;                        // 1: it crashes too often, its calls are refused
};

// The names and meanings that operators see stand in exposition.cpp, beside each field.
//
// Thread: written by its shard, read by any. Lives longer than its shard. Aligned so that no two
// shards write to one cache line.
struct alignas(64) ShardMetrics {
  // Connections.
  Counter accepted;
  Counter closed;
  Counter refused_at_connections_max;
  Counter refused_at_address_max;
  Counter refused_while_stopping;
  Counter websockets_opened;
  Counter streams_opened;
  Counter upgrades_refused;
  Counter http_requests;
  Counter http_refused;
  Counter slow_consumers;
  Counter evicted;

  // In.
  Counter bytes_received;
  Counter frames_received;
  Counter messages_received;

  // Events.
  Counter published_by_source;
  Counter published_by_clients;
  Counter duplicates_dropped;
  Counter rooms_refused;
  Counter answers_to_gone;
  Counter recovered;
  Counter not_recovered;
  Counter gaps_overflow;
  Counter gaps_expired;
  Counter gaps_conflated;
  Counter gaps_shard;
  Counter slow_dropped_oldest;
  Counter slow_dropped_latest;
  Counter slow_conflated;

  // Out.
  Counter frames_encoded;
  Counter frames_compressed;
  Counter batches;
  Counter deliveries;
  Counter sends;
  Counter short_sends;
  Counter bytes_sent;

  // The loop.
  Counter ticks;
  Counter wakeups;
  Counter mail_handled;
  Counter mailbox_blocked;
  Counter shard_stalls;
  Gauge mailbox_depth;
  Gauge rooms;
  Gauge subscriptions;
  Gauge pinned_bytes;

  // The application.
  std::deque<HandlerMetrics> handlers;  // by row; made by wiring, then never resized
  Counter calls_unknown;
  Counter app_answers_late;
  Counter verdicts_remembered;
  Counter disconnects_lost;

  LatencyHistogram commit_to_socket;  // nanoseconds
  SizeHistogram tick_events;

  [[nodiscard]] Counter& errors(Errc code) { return errors_[static_cast<std::size_t>(code)]; }
  [[nodiscard]] const Counter& errors(Errc code) const {
    return errors_[static_cast<std::size_t>(code)];
  }

  // `reason` is the enumerator of a table that this folder can not see; its position is its label.
  template <class Reason>
    requires std::is_enum_v<Reason>
  [[nodiscard]] Counter& closed_by_reason(Reason reason) {
    const auto at = static_cast<std::size_t>(reason);
    ensure(at < kCloseReasonsMax, "more close reasons than counters");
    return closed_by_reason_[at];
  }
  [[nodiscard]] const Counter& closed_by_position(std::size_t position) const {
    return closed_by_reason_[position];
  }

 private:
  std::array<Counter, kErrcs> errors_;
  std::array<Counter, kCloseReasonsMax> closed_by_reason_;
};

}  // namespace ringcast
