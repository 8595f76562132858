#include "config/load.hpp"

#include <fmt/format.h>
#include <toml++/toml.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <set>

#include "config/check.hpp"
#include "config/nearest.hpp"
#include "config/setting.hpp"

namespace ringcast {

namespace {

constexpr std::string_view kNamespace = "namespace";

std::vector<std::string_view> section_names() {
  std::vector<std::string_view> names{kNamespace};
  for (const auto& setting : settings())
    if (names.back() != setting.section) names.push_back(setting.section);
  return names;
}

template <class Target>
std::vector<std::string_view> key_names(std::span<const Setting<Target>> table,
                                        std::string_view section) {
  std::vector<std::string_view> names;
  for (const auto& setting : table)
    if (setting.section == section) names.push_back(setting.key);
  return names;
}

template <class Target>
const Setting<Target>* find(std::span<const Setting<Target>> table, std::string_view section,
                            std::string_view key) {
  for (const auto& setting : table)
    if (setting.section == section && setting.key == key) return &setting;
  return nullptr;
}

std::string did_you_mean(std::string_view word, std::span<const std::string_view> names) {
  const auto found = nearest(word, names);
  return found ? fmt::format(", did you mean '{}'?", *found)
               : fmt::format(", expected one of {}", fmt::join(names, ", "));
}

std::string unknown_key(std::string_view section, std::string_view key,
                        std::span<const std::string_view> names) {
  if (!nearest(key, names))
    for (const auto& setting : settings())
      if (setting.key == key)
        return fmt::format("unknown key '{}.{}', it belongs to [{}]", section, key,
                           setting.section);
  return fmt::format("unknown key '{}.{}'{}", section, key, did_you_mean(key, names));
}

std::string_view type_name(const toml::node& node) {
  if (node.is_table()) return "a table";
  if (node.is_array()) return "an array";
  if (node.is_floating_point()) return "a number with a fraction";
  if (node.is_string()) return "a string";
  if (node.is_integer()) return "an integer";
  if (node.is_boolean()) return "a boolean";
  return "a date or time";
}

// The mistakes of a file, in the order of its lines (a toml::table is sorted by keys).
class FileProblems {
 public:
  explicit FileProblems(std::string_view file) : file_(file) {}

  [[nodiscard]] std::string where(toml::source_position at) const {
    return fmt::format("{}:{}:{}", file_, at.line, at.column);
  }
  void add(toml::source_position at, std::string what) {
    problems_.emplace_back(std::pair{at.line, at.column},
                           ConfigProblem{where(at), std::move(what)});
  }
  void append_to(std::vector<ConfigProblem>& out) {
    std::stable_sort(problems_.begin(), problems_.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    for (auto& [position, problem] : problems_) out.push_back(std::move(problem));
  }

 private:
  std::string_view file_;
  std::vector<std::pair<std::pair<toml::source_index, toml::source_index>, ConfigProblem>>
      problems_;
};

// The text of a toml value as a ConfigValue, or what is wrong with it.
Result<ConfigValue> read_node(const toml::node& node) {
  if (const auto* number = node.as_integer()) return ConfigValue{number->get()};
  if (const auto* flag = node.as_boolean()) return ConfigValue{flag->get()};
  if (const auto* text = node.as_string()) return ConfigValue{text->get()};
  if (const auto* array = node.as_array()) {
    std::vector<std::string> list;
    for (const toml::node& entry : *array) {
      const auto* text = entry.as_string();
      if (text == nullptr)
        return {Errc::validation, fmt::format("an array with {}", type_name(entry))};
      list.push_back(text->get());
    }
    return ConfigValue{std::move(list)};
  }
  return {Errc::validation, std::string(type_name(node))};
}

// Does the variable name a section, or nearly? Scripts around Ringcast have RINGCAST_ variables of
// their own, and those are none of our business.
bool is_meant_as_setting(std::string_view name) {
  constexpr std::string_view kPrefix = "RINGCAST_";
  // What clients show is so near to [app] that it has to be named.
  if (!name.starts_with(kPrefix) || name == "RINGCAST_API_KEY") return false;
  const std::string_view rest = name.substr(kPrefix.size());
  const std::size_t end = rest.find('_');
  if (end == std::string_view::npos) return false;
  std::string section(rest.substr(0, end));
  for (char& c : section)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return nearest(section, section_names()).has_value();
}

NamespaceConfig& namespace_named(Config& config, std::string_view name) {
  for (NamespaceConfig& row : config.namespaces)
    if (row.name == name) return row;
  config.namespaces.emplace_back().name = name;
  return config.namespaces.back();
}

// Fills one LoadedConfig from one source after another. Thread: start-up.
class Loader {
 public:
  explicit Loader(Config defaults) { out_.config = std::move(defaults); }

  void read_file(const ConfigFile& file);
  void read_variable(std::string_view name, std::string_view value);
  void read_override(std::string_view flag);
  [[nodiscard]] LoadedConfig finish() &&;

 private:
  void read_section(FileProblems& problems, std::string_view section, const toml::table& table);
  void read_namespaces(FileProblems& problems, const toml::node& node);
  void read_namespace(FileProblems& problems, const toml::table& table);

  template <class Target>
  void read_value(FileProblems& problems, const Setting<Target>& setting, const toml::node& node,
                  Target& target, std::string_view prefix);
  template <class Target>
  void read_text_value(const std::string& where, const Setting<Target>& setting,
                       std::string_view text, Target& target, std::string_view prefix);

  LoadedConfig out_;
  std::set<std::string, std::less<>> namespaces_in_file_;
};

template <class Target>
void Loader::read_value(FileProblems& problems, const Setting<Target>& setting,
                        const toml::node& node, Target& target, std::string_view prefix) {
  const auto at = node.source().begin;
  auto value = read_node(node);
  if (!value) {
    problems.add(at, fmt::format("{}.{}: found {}, expected {}", prefix, setting.key,
                                 value.error().detail, expectation(setting)));
    return;
  }
  if (const auto assigned = assign(setting, target, std::move(*value)); !assigned)
    problems.add(at, fmt::format("{}.{}: {}", prefix, setting.key, assigned.error().detail));
  else
    out_.origins[fmt::format("{}.{}", prefix, setting.key)] = problems.where(at);
}

template <class Target>
void Loader::read_text_value(const std::string& where, const Setting<Target>& setting,
                             std::string_view text, Target& target, std::string_view prefix) {
  auto value = read_text(setting, text);
  // What can not be read as the type is shown as the text that it is.
  const auto assigned =
      assign(setting, target, value ? std::move(*value) : ConfigValue{std::string(text)});
  if (!assigned)
    out_.problems.push_back(
        {where, fmt::format("{}.{}: {}", prefix, setting.key, assigned.error().detail)});
  else
    out_.origins[fmt::format("{}.{}", prefix, setting.key)] = where;
}

void Loader::read_file(const ConfigFile& file) {
  FileProblems problems(file.name);
  try {
    const toml::table root = toml::parse(file.text, file.name);
    for (const auto& [key, node] : root) {
      const auto names = section_names();
      if (key.str() == kNamespace)
        read_namespaces(problems, node);
      else if (std::find(names.begin(), names.end(), key.str()) == names.end())
        problems.add(key.source().begin, fmt::format("unknown section '{}'{}", key.str(),
                                                     did_you_mean(key.str(), names)));
      else if (const auto* table = node.as_table())
        read_section(problems, key.str(), *table);
      else
        problems.add(node.source().begin, fmt::format("{}: found {}, expected a table [{}]",
                                                      key.str(), type_name(node), key.str()));
    }
  } catch (const toml::parse_error& error) {  // toml++ stops at the first mistake of the syntax
    problems.add(error.source().begin, fmt::format("not valid TOML: {}", error.description()));
  }
  problems.append_to(out_.problems);
}

void Loader::read_section(FileProblems& problems, std::string_view section,
                          const toml::table& table) {
  for (const auto& [key, node] : table) {
    if (const auto* setting = find(settings(), section, key.str()))
      read_value(problems, *setting, node, out_.config, section);
    else
      problems.add(key.source().begin,
                   unknown_key(section, key.str(), key_names(settings(), section)));
  }
}

void Loader::read_namespaces(FileProblems& problems, const toml::node& node) {
  const auto* array = node.as_array();
  if (array == nullptr || !std::all_of(array->begin(), array->end(),
                                       [](const toml::node& entry) { return entry.is_table(); })) {
    problems.add(
        node.source().begin,
        fmt::format("namespace: found {}, expected tables [[namespace]]", type_name(node)));
    return;
  }
  for (const toml::node& entry : *array) read_namespace(problems, *entry.as_table());
}

void Loader::read_namespace(FileProblems& problems, const toml::table& table) {
  const auto* name = table.get_as<std::string>("name");
  // Without a name the other keys are checked all the same, on a row that nobody will use.
  NamespaceConfig unnamed;
  NamespaceConfig* row = &unnamed;
  std::string prefix = "namespace";
  if (name == nullptr) {
    problems.add(
        table.source().begin,
        "namespace.name: found nothing usable, expected a string such as \"chat\" or \"*\"");
  } else if (const auto checked = check_namespace_name(name->get()); !checked) {
    problems.add(name->source().begin, checked.error().detail);
  } else if (!namespaces_in_file_.emplace(name->get()).second) {
    problems.add(name->source().begin,
                 fmt::format("namespace '{}' stands here twice, first at {}", name->get(),
                             out_.origins[fmt::format("namespace.{}.name", name->get())]));
  } else if (namespaces_in_file_.size() > kNamespacesMax) {
    problems.add(name->source().begin, fmt::format("more than {} namespaces", kNamespacesMax));
  } else {
    prefix = fmt::format("namespace.{}", name->get());
    row = &namespace_named(out_.config, name->get());
    out_.origins[fmt::format("{}.name", prefix)] = problems.where(name->source().begin);
  }
  for (const auto& [key, node] : table) {
    if (key.str() == "name") continue;
    if (const auto* setting = find(namespace_settings(), kNamespace, key.str()))
      read_value(problems, *setting, node, *row, prefix);
    else
      problems.add(key.source().begin,
                   unknown_key(kNamespace, key.str(), key_names(namespace_settings(), kNamespace)));
  }
}

void Loader::read_variable(std::string_view name, std::string_view value) {
  std::vector<std::string> names;
  for (const auto& setting : settings()) {
    names.push_back(environment_name(setting.section, setting.key));
    if (names.back() == name)
      return read_text_value(std::string(name), setting, value, out_.config, setting.section);
  }
  if (!is_meant_as_setting(name)) return;
  const std::vector<std::string_view> views(names.begin(), names.end());
  const auto near = nearest(name, views);
  out_.problems.push_back(
      {std::string(name), near ? fmt::format("unknown variable, did you mean {}?", *near)
                               : std::string("unknown variable, no setting has this name")});
}

void Loader::read_override(std::string_view flag) {
  const std::size_t equals = flag.find('=');
  const std::string_view path = flag.substr(0, equals);
  const std::string where = fmt::format("--set {}", path);  // without the value, for secrets' sake
  const std::size_t dot = path.rfind('.');
  if (equals == std::string_view::npos || dot == std::string_view::npos) {
    out_.problems.push_back({where, "expected section.key=value"});
    return;
  }
  const std::string_view section = path.substr(0, dot);
  const std::string_view key = path.substr(dot + 1);
  const std::string_view text = flag.substr(equals + 1);
  if (section.starts_with("namespace.")) {
    const std::string_view name = section.substr(kNamespace.size() + 1);
    const auto* setting = find(namespace_settings(), kNamespace, key);
    if (const auto checked = check_namespace_name(name); !checked)
      out_.problems.push_back({where, checked.error().detail});
    else if (setting == nullptr || key == "name")
      out_.problems.push_back(
          {where, unknown_key(section, key, key_names(namespace_settings(), kNamespace))});
    else
      read_text_value(where, *setting, text, namespace_named(out_.config, name), section);
    return;
  }
  if (const auto* setting = find(settings(), section, key))
    return read_text_value(where, *setting, text, out_.config, section);
  const auto names = key_names(settings(), section);
  out_.problems.push_back({where, names.empty()
                                      ? fmt::format("unknown section '{}'{}", section,
                                                    did_you_mean(section, section_names()))
                                      : unknown_key(section, key, names)});
}

LoadedConfig Loader::finish() && {
  // To set one key of `tenant` is not to take its history away.
  const bool stored = !out_.config.store.url.empty();
  for (NamespaceConfig& row : out_.config.namespaces)
    if (stored && row.name == "tenant" && !out_.origins.contains("namespace.tenant.history"))
      row.history = HistoryKind::store;
  with_default_namespaces(out_.config);
  for (auto& problem : check_config(out_.config)) {
    if (const auto origin = out_.origins.find(problem.where); origin != out_.origins.end())
      problem = {origin->second, fmt::format("{}: {}", problem.where, problem.what)};
    out_.problems.push_back(std::move(problem));
  }
  return std::move(out_);
}

}  // namespace

std::string to_text(std::span<const ConfigProblem> problems) {
  std::string text;
  for (const auto& [where, what] : problems) text += fmt::format("{}: {}\n", where, what);
  return text;
}

Result<ConfigFile> read_config_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return {Errc::not_found, fmt::format("{}: can not be opened", path)};
  std::string text(kConfigBytesMax + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad()) return {Errc::not_found, fmt::format("{}: can not be read", path)};
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > kConfigBytesMax)
    return {Errc::payload_too_large,
            fmt::format("{}: has more than {} octets", path, kConfigBytesMax)};
  return ConfigFile{path, std::move(text)};
}

std::vector<std::pair<std::string, std::string>> ringcast_environment() {
  std::vector<std::pair<std::string, std::string>> variables;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const std::size_t equals = text.find('=');
    if (text.starts_with("RINGCAST_") && equals != std::string_view::npos)
      variables.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
  std::sort(variables.begin(), variables.end());
  return variables;
}

LoadedConfig load_config(const ConfigSources& sources, Config defaults) {
  Loader loader(std::move(defaults));
  if (sources.file) loader.read_file(*sources.file);
  for (const auto& [name, value] : sources.environment) loader.read_variable(name, value);
  for (const std::string& flag : sources.overrides) loader.read_override(flag);
  return std::move(loader).finish();
}

}  // namespace ringcast
