// The life of a daemon: start, say where it listens, wait for the signal to stop, end.
#pragma once

#include "config/config.hpp"

namespace ringcast {

// Returns the exit code. The first line on standard output is `listening on http://HOST:PORT`; all
// else goes to the log. `config` is one without problems. Thread: start-up, and the only one then.
[[nodiscard]] int run_daemon(Config config);

}  // namespace ringcast
