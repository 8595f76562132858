// From the flags of `dev`, `serve` and `check-config` to a configuration, or to all its mistakes.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "config/load.hpp"

namespace ringcast {

// A flag that is short for `--set KEY=VALUE`.
struct ShortFlag {
  std::string_view flag;
  std::string_view key;
  std::string_view value_name;
  std::string_view doc;
};

// Thread: any (constant).
[[nodiscard]] std::span<const ShortFlag> short_flags();

// What the command line says about the configuration.
struct StartOptions {
  std::string config_file;  // empty: none
  std::vector<std::string> sets;
  std::vector<std::optional<std::string>> short_values;  // in the order of short_flags()

  StartOptions() : short_values(short_flags().size()) {}
};

// File, environment and flags as `serve` takes them, with every complaint of check_config(),
// check_serve() and the reading of keys. The error: the file can not be read. Thread: start-up.
[[nodiscard]] Result<LoadedConfig> load_for_serve(const StartOptions& options);

// Environment and flags over the defaults of `dev`: this machine only, API key `dev`, everybody may
// do everything, and a store in the user's own state folder, which is made if it is missing.
// Thread: start-up.
[[nodiscard]] LoadedConfig load_for_dev(const StartOptions& options);

}  // namespace ringcast
