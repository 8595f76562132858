#include "config/describe.hpp"

#include <fmt/format.h>

#include "config/setting.hpp"

namespace ringcast {

namespace {

constexpr std::string_view kIntroduction =
    "# Configuration\n\n"
    "A TOML file, then variables of the environment, then `--set section.key=value`; what comes "
    "later wins. Lists are arrays in the file, and separated by commas elsewhere. Sizes are "
    "octets; "
    "the unit of a time is the end of its key.\n\n"
    "`[[namespace]]` may stand any number of times, once for each name; "
    "`--set namespace.NAME.key=value` sets a key of one. Unless `history` is set, the namespace "
    "`tenant` has `history = \"store\"` if there is a store, and `*` stands for all others.\n";

template <class Target>
std::string line(const Setting<Target>& setting, const Target& target, std::string_view prefix,
                 const ConfigOrigins& origins) {
  const auto origin = origins.find(fmt::format("{}.{}", prefix, setting.key));
  return fmt::format("{} = {}{}\n", setting.key, shown(setting, target),
                     origin == origins.end() ? "" : fmt::format("  # {}", origin->second));
}

template <class Target>
std::string row(const Setting<Target>& setting, const Target& defaults, std::string_view variable) {
  return fmt::format("| `{}` | {} | `{}` | {} | {} |\n", setting.key, expectation(setting),
                     shown(setting, defaults), variable, setting.doc);
}

std::string head(std::string_view title) {
  return fmt::format(
      "\n## {}\n\n| key | is | default | variable | meaning |\n| --- | --- | --- | --- | --- |\n",
      title);
}

}  // namespace

std::string redacted(const Config& config, const ConfigOrigins& origins) {
  std::string text;
  std::string_view section;
  for (const auto& setting : settings()) {
    if (setting.section != section) {
      section = setting.section;
      text += fmt::format("{}[{}]\n", text.empty() ? "" : "\n", section);
    }
    text += line(setting, config, section, origins);
  }
  for (const NamespaceConfig& entry : config.namespaces) {
    text += "\n[[namespace]]\n";
    for (const auto& setting : namespace_settings())
      text += line(setting, entry, fmt::format("namespace.{}", entry.name), origins);
  }
  return text;
}

std::string config_reference() {
  std::string text(kIntroduction);
  const Config defaults;
  std::string_view section;
  for (const auto& setting : settings()) {
    if (setting.section != section) {
      section = setting.section;
      text += head(fmt::format("`[{}]`", section));
    }
    text +=
        row(setting, defaults, fmt::format("`{}`", environment_name(setting.section, setting.key)));
  }
  text += head("`[[namespace]]`");
  for (const auto& setting : namespace_settings()) text += row(setting, NamespaceConfig{}, "–");
  return text;
}

}  // namespace ringcast
