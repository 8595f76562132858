// The questions that bench_outbox answers. Each prints what it finds as it goes; a figure only
// after every row was seen once and in order.
#pragma once

#include "outbox/contender.hpp"
#include "outbox/table.hpp"

namespace ringcast::bench {

// A backlog, beside a plain read of the same rows.
Result<Table> ask_drain(const Settings& settings);
// From the commit's return to a frame that can be read, at a fixed rate.
Result<Table> ask_latency(const Settings& settings);
// Commits a second with nobody who reads, with Ringcast, and with what Ringcast takes of the CPUs.
Result<Table> ask_writers(const Settings& settings);
// A backlog and a steady rate while a snapshot is held elsewhere, and without.
Result<Table> ask_snapshot(const Settings& settings);
// The same backlog by what else carries rows of a PostgreSQL table.
Result<Table> ask_peers(const Settings& settings);

// Rows written as fast as `writers` can into Ringcast's empty table for settings.seconds, the first
// half second not counted.
struct Written {
  double commits_a_second = 0;
  double daemon_share = 0;    // of one CPU; 0 without a daemon
  double sessions_share = 0;  // its sessions in PostgreSQL
};
enum class Reader : std::uint8_t { nobody, ringcast };
Result<Written> write_rows(const Settings& settings, int writers, Reader reader);

}  // namespace ringcast::bench
