#include "daemon/start_config.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <utility>

#include "config/check.hpp"
#include "store/event_schemas.hpp"
#include "wiring.hpp"

namespace ringcast {

namespace {

namespace fs = std::filesystem;

constexpr ShortFlag kShortFlags[] = {
    {"--listen", "listen.address", "HOST:PORT", "where to listen; port 0 picks a free one"},
    {"--store", "store.url", "URL", "sqlite:PATH or postgresql://..."},
    {"--engine", "engine.backend", "io_uring|epoll", "how sockets are served; default: what works"},
    {"--shards", "engine.shards", "N", "threads that serve connections; 0: one for each CPU"},
    {"--log-level", "log.level", "LEVEL", "debug, info, warning or error"},
    {"--log-format", "log.format", "FORMAT",
     "human or json; default: human on a terminal, else json"},
};

ConfigSources sources_of(const StartOptions& options) {
  ConfigSources sources;
  sources.environment = ringcast_environment();
  sources.overrides = options.sets;
  for (std::size_t i = 0; i < options.short_values.size(); ++i)
    if (const auto& value = options.short_values[i])
      sources.overrides.push_back(fmt::format("{}={}", kShortFlags[i].key, *value));
  return sources;
}

// Complaints name what the user typed: --listen, not the --set that it is short for.
void name_short_flags(LoadedConfig& loaded, const StartOptions& options) {
  for (std::size_t i = 0; i < options.short_values.size(); ++i) {
    if (!options.short_values[i]) continue;
    const std::string set = fmt::format("--set {}", kShortFlags[i].key);
    for (ConfigProblem& problem : loaded.problems)
      if (problem.where == set) problem.where = kShortFlags[i].flag;
    for (auto& [key, where] : loaded.origins)
      if (where == set) where = kShortFlags[i].flag;
  }
}

// `problem.where` is a key; where that was set tells the user more.
void add_with_origin(LoadedConfig& loaded, ConfigProblem problem) {
  if (const auto origin = loaded.origins.find(problem.where); origin != loaded.origins.end())
    problem = {origin->second, fmt::format("{}: {}", problem.where, problem.what)};
  loaded.problems.push_back(std::move(problem));
}

// XDG Base Directory Specification: a path that is not absolute is to be ignored.
std::optional<fs::path> state_folder() {
  const auto absolute = [](const char* name) -> std::optional<fs::path> {
    const char* value = std::getenv(name);
    if (value == nullptr || !fs::path(value).is_absolute()) return std::nullopt;
    return value;
  };
  if (auto state = absolute("XDG_STATE_HOME")) return *state / "ringcast";
  if (auto home = absolute("HOME")) return *home / ".local/state/ringcast";
  return std::nullopt;
}

Result<void> make_private_folder(const fs::path& folder) {
  std::error_code error;
  if (fs::create_directories(folder, error))
    fs::permissions(folder, fs::perms::owner_all, error);  // rows may hold anything
  if (!error) return {};
  return {Errc::unavailable, fmt::format("{} can not be made ({}); --store sqlite:PATH uses "
                                         "another place",
                                         folder.string(), error.message())};
}

}  // namespace

std::span<const ShortFlag> short_flags() { return kShortFlags; }

Result<LoadedConfig> load_for_serve(const StartOptions& options) {
  ConfigSources sources = sources_of(options);
  if (!options.config_file.empty()) {
    auto file = read_config_file(options.config_file);
    if (!file) return file.error();
    sources.file = std::move(*file);
  }
  LoadedConfig loaded = load_config(sources);
  name_short_flags(loaded, options);
  for (ConfigProblem& problem : check_serve(loaded.config))
    add_with_origin(loaded, std::move(problem));
  if (!loaded.problems.empty()) return loaded;
  if (const auto services = make_services(loaded.config); !services) {
    const std::string& detail = services.error().detail;  // `section.key: what`
    const std::size_t colon = detail.find(": ");
    add_with_origin(loaded, {detail.substr(0, colon), detail.substr(colon + 2)});
  }
  for (std::string& problem : EventSchemas::problems_in(loaded.config.outbox))
    add_with_origin(loaded, {"outbox.schemas", std::move(problem)});
  return loaded;
}

LoadedConfig load_for_dev(const StartOptions& options) {
  Config defaults;
  defaults.dev = true;
  defaults.auth.api_keys = {"dev"};
  const auto folder = state_folder();
  if (folder) defaults.store.url = fmt::format("sqlite:{}", (*folder / "dev.db").string());
  LoadedConfig loaded = load_config(sources_of(options), std::move(defaults));
  name_short_flags(loaded, options);

  const std::string& listen = loaded.config.listen.address;
  if (const auto address = parse_listen_address(listen); address && !is_loopback(address->host))
    add_with_origin(
        loaded,
        {"listen.address",
         fmt::format("found \"{}\", but in dev mode everybody may do everything, so it listens on "
                     "127.0.0.1, [::1] or localhost only; `ringcastd serve` is for others",
                     listen)});
  if (loaded.origins.contains("store.url") || !loaded.problems.empty()) return loaded;
  if (!folder)
    loaded.problems.push_back({"store.url",
                               "neither HOME nor XDG_STATE_HOME says where a store may be; set one "
                               "of them, or name a file by --store sqlite:PATH"});
  else if (const auto made = make_private_folder(*folder); !made)
    loaded.problems.push_back({"store.url", made.error().detail});
  return loaded;
}

}  // namespace ringcast
