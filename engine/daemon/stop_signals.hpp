// The signals that stop the daemon: SIGTERM and SIGINT. SIGHUP is answered with a log line.
#pragma once

namespace ringcast {

// Thread: start-up, before any other thread exists, so that all of them inherit it and signals wait
// for wait_for_stop_signal(). A closed pipe is an error of write() from now on, not a signal.
void block_stop_signals();

// Returns the first SIGTERM or SIGINT. Thread: the one that called block_stop_signals().
[[nodiscard]] int wait_for_stop_signal();

// To be called when the first one came. A SIGTERM or SIGINT from half a second later on ends the
// process at once with kExitSignal + its number.
// Thread: as above; signals are delivered there while it joins the others.
void end_at_next_stop_signal();

}  // namespace ringcast
