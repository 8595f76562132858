// From TOML, environment and flags to a Config, with every mistake of all three at once.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "config/config.hpp"

namespace ringcast {

inline constexpr std::size_t kConfigBytesMax = 1U << 20;
inline constexpr std::size_t kNamespacesMax = 1'000;

// One mistake: where (`file:line:column`, a variable's name, a flag, or a key that nobody set) and
// what was found and is expected. No secret is ever in either.
struct ConfigProblem {
  std::string where;
  std::string what;
  bool operator==(const ConfigProblem&) const = default;
};

// A line for each, `where: what`.
[[nodiscard]] std::string to_text(std::span<const ConfigProblem> problems);

// Which source set a key last: `section.key` or `namespace.NAME.key` to its `where`.
using ConfigOrigins = std::map<std::string, std::string, std::less<>>;

struct LoadedConfig {
  Config config;  // with the default namespaces; to be used only if there are no problems
  ConfigOrigins origins;
  std::vector<ConfigProblem> problems;
};

struct ConfigFile {
  std::string name;  // as messages show it
  std::string text;
};

struct ConfigSources {
  std::optional<ConfigFile> file;
  // Names with values. What does not begin with RINGCAST_ and nearly a section's name is left
  // alone.
  std::vector<std::pair<std::string, std::string>> environment;
  // `section.key=value`, or `namespace.NAME.key=value`, which adds that namespace if need be.
  std::vector<std::string> overrides;
};

// Reads at most kConfigBytesMax octets. Thread: start-up.
[[nodiscard]] Result<ConfigFile> read_config_file(const std::string& path);

// The RINGCAST_ variables of this process. Thread: start-up.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> ringcast_environment();

// Applies file, environment and overrides to `defaults`, in this order, then adds the default
// namespaces and checks what only makes sense together (config/check.hpp). Throws nothing.
// Thread: start-up.
[[nodiscard]] LoadedConfig load_config(const ConfigSources& sources, Config defaults = {});

}  // namespace ringcast
