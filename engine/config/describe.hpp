// A configuration in words: for the log, and for the reference in the documentation.
#pragma once

#include <string>

#include "config/config.hpp"
#include "config/load.hpp"

namespace ringcast {

// All effective values as TOML, secrets and passwords left out, each with its origin behind it if
// `origins` has one. Thread: start-up.
[[nodiscard]] std::string redacted(const Config& config, const ConfigOrigins& origins = {});

// Every key with type, bounds, default, variable and meaning, as Markdown: docs/configuration.md.
[[nodiscard]] std::string config_reference();

}  // namespace ringcast
