#include "daemon/daemon.hpp"

#include <signal.h>

#include <cstdio>
#include <string_view>
#include <utility>

#include "base/log.hpp"
#include "daemon/descriptor_limit.hpp"
#include "daemon/exit_code.hpp"
#include "daemon/stop_signals.hpp"
#include "daemon/version.hpp"
#include "wiring.hpp"

namespace ringcast {

namespace {

void check_descriptors(const Config& config) {
  const std::uint32_t shards = config.engine.shards == 0 ? usable_cpus() : config.engine.shards;
  const std::uint64_t limit = raise_descriptor_limit();
  const std::uint64_t needed = descriptors_needed(config, shards);
  if (limit >= needed) return;
  log::warning(
      "this process may open {} descriptors, and listen.connections_max = {} needs {}: raise the "
      "limit (LimitNOFILE= of the systemd unit, --ulimit nofile= of docker, ulimit -Hn), or lower "
      "listen.connections_max",
      limit, config.listen.connections_max, needed);
}

std::string_view way_on(Errc code) {
  switch (code) {
    case Errc::conflict:
      return "; stop that process, or choose another address with --listen HOST:PORT";
    case Errc::forbidden:
      return "; choose a port above 1023, or give the process CAP_NET_BIND_SERVICE";
    case Errc::validation:
    case Errc::unauthorized:
    case Errc::not_found:
    case Errc::rate_limited:
    case Errc::payload_too_large:
    case Errc::unavailable:
    case Errc::internal:
      return "";
  }
  return "";
}

}  // namespace

int run_daemon(Config config) {
  block_stop_signals();
  log::configure(config.log.level, config.log.format);
  log::info("ringcast {}{}", kVersion, config.dev ? ", dev mode: everybody may do everything" : "");
  check_descriptors(config);
  const std::uint32_t deadline_ms = config.engine.stop_deadline_ms;

  auto engine = Engine::start(std::move(config));
  if (!engine) {
    log::error("not started: {}{}", engine.error().detail, way_on(engine.error().code));
    return kExitFailed;
  }
  std::printf("listening on http://%s\n", (*engine)->address().c_str());
  std::fflush(stdout);

  const int signal = wait_for_stop_signal();
  log::info("SIG{}: stopping, in at most {} ms; a second signal ends it at once",
            sigabbrev_np(signal), deadline_ms);
  (*engine)->request_stop(Engine::Stop::goes_away);
  end_at_next_stop_signal();
  (*engine)->join();
  log::info("stopped");
  return kExitOk;
}

}  // namespace ringcast
