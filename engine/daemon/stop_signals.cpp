#include "daemon/stop_signals.hpp"

#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <cstdint>

#include "base/log.hpp"
#include "daemon/exit_code.hpp"

namespace ringcast {

namespace {

sigset_t stop_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  return set;
}

// Terminals, `timeout` and process supervisors often deliver one wish twice, to the process and to
// its group; only what comes later than this is a second wish.
constexpr std::int64_t kSameWishMs = 500;

// When the first signal was taken. Written before the handler is installed, then only read.
volatile std::int64_t first_signal_ms = 0;

std::int64_t monotonic_ms() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return std::int64_t{now.tv_sec} * 1'000 + now.tv_nsec / 1'000'000;
}

extern "C" void end_now(int signal) {
  if (monotonic_ms() - first_signal_ms >= kSameWishMs) _exit(kExitSignal + signal);
}

}  // namespace

void block_stop_signals() {
  sigset_t set = stop_signals();
  sigaddset(&set, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signal(SIGPIPE, SIG_IGN);
}

int wait_for_stop_signal() {
  sigset_t set = stop_signals();
  sigaddset(&set, SIGHUP);
  for (;;) {
    int received = 0;
    if (sigwait(&set, &received) != 0) continue;
    if (received != SIGHUP) return received;
    log::warning("SIGHUP: configuration reload is not supported; restart to apply changes");
  }
}

// A handler rather than the default action: process 1 of a container has no default action.
void end_at_next_stop_signal() {
  first_signal_ms = monotonic_ms();
  struct sigaction action {};
  action.sa_handler = end_now;
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);
  const sigset_t set = stop_signals();
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

}  // namespace ringcast
