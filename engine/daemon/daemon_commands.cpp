// The commands that start a daemon or look at its configuration.
#include <fmt/format.h>

#include <cstdio>
#include <string>

#include "config/describe.hpp"
#include "daemon/commands.hpp"
#include "daemon/daemon.hpp"
#include "daemon/exit_code.hpp"

namespace ringcast {

namespace {

int refuse(const LoadedConfig& loaded) {
  const std::size_t count = loaded.problems.size();
  std::fputs(to_text(loaded.problems).c_str(), stderr);
  std::fputs(fmt::format("{} {}; `ringcastd config-reference` explains every key\n", count,
                         count == 1 ? "problem" : "problems")
                 .c_str(),
             stderr);
  return kExitFailed;
}

int refuse(const Error& error) {
  std::fputs(fmt::format("{}\n", error.detail).c_str(), stderr);
  return kExitFailed;
}

int dev(const StartOptions& options) {
  const LoadedConfig loaded = load_for_dev(options);
  return loaded.problems.empty() ? run_daemon(loaded.config) : refuse(loaded);
}

int serve(const StartOptions& options) {
  const auto loaded = load_for_serve(options);
  if (!loaded) return refuse(loaded.error());
  return loaded->problems.empty() ? run_daemon(loaded->config) : refuse(*loaded);
}

int check_config_file(const StartOptions& options) {
  const auto loaded = load_for_serve(options);
  if (!loaded) return refuse(loaded.error());
  if (!loaded->problems.empty()) return refuse(*loaded);
  std::puts("ok");
  return kExitOk;
}

int print_reference() {
  std::fputs(config_reference().c_str(), stdout);
  return kExitOk;
}

void add_start_options(CLI::App& command, StartOptions& options) {
  for (std::size_t i = 0; i < short_flags().size(); ++i) {
    const ShortFlag& flag = short_flags()[i];
    command.add_option(std::string(flag.flag), options.short_values[i], std::string(flag.doc))
        ->type_name(std::string(flag.value_name));
  }
  command
      .add_option("--set", options.sets,
                  "a key of the configuration; any number of times; wins over file and environment")
      ->type_name("SECTION.KEY=VALUE")
      ->allow_extra_args(false);
}

}  // namespace

void add_daemon_commands(CLI::App& app, Chosen& chosen) {
  StartOptions& start = chosen.start;
  CLI::App* command = add_command(
      app, "dev", "start on this machine, to try and to develop: no tokens needed",
      "Listens on 127.0.0.1:8800, the API key is `dev`, events are kept in\n"
      "$XDG_STATE_HOME/ringcast/dev.db (~/.local/state/ringcast/dev.db). The first line on\n"
      "standard output is `listening on http://ADDRESS:PORT`; the log goes to standard error.\n\n"
      "Example: ringcastd dev --listen 127.0.0.1:0 --store sqlite:/tmp/try.db");
  add_start_options(*command, start);
  command->callback([&] { chosen.run = [&start] { return dev(start); }; });

  command = add_command(
      app, "serve", "start for production",
      "Values come from the file, then from RINGCAST_SECTION_KEY variables, then from flags;\n"
      "what comes later wins. An address that others can reach needs keys to know them by.\n"
      "SIGTERM and SIGINT stop it: clients are told to come back, answers that are due are given;\n"
      "a second one, half a second later or more, ends it at once.\n"
      "\nExample: RINGCAST_AUTH_HS256_SECRET=... ringcastd serve --config /etc/ringcast.toml \\\n"
      "           --listen 0.0.0.0:8800 --set limits.ping_interval_s=20");
  command->add_option("-c,--config", start.config_file, "a TOML file")->type_name("FILE");
  add_start_options(*command, start);
  command->callback([&] { chosen.run = [&start] { return serve(start); }; });

  command = add_command(
      app, "check-config", "say everything that is wrong with a configuration, or `ok`",
      "The same checks as `serve`, with the same environment; nothing is started.\n"
      "Each complaint has file, line, column, what was found and what is expected. The schemas\n"
      "of outbox.schemas are read too: file, line, column, event type and member.\n\n"
      "Example: ringcastd check-config /etc/ringcast.toml && systemctl restart ringcast");
  command->add_option("FILE", start.config_file, "a TOML file")->required();
  command->callback([&] { chosen.run = [&start] { return check_config_file(start); }; });

  command = add_command(app, "config-reference", "print every key of the configuration as Markdown",
                        "Example: ringcastd config-reference > docs/configuration.md");
  command->callback([&] { chosen.run = print_reference; });
}

}  // namespace ringcast
