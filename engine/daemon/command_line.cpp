#include "daemon/command_line.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "config/describe.hpp"
#include "daemon/daemon.hpp"
#include "daemon/exit_code.hpp"
#include "daemon/start_config.hpp"
#include "daemon/version.hpp"

namespace ringcast {

namespace {

constexpr const char* kExitCodes =
    "Exit codes: 0 done, or stopped as asked; 1 refused or failed (configuration, port in use, "
    "store,\nserver's answer); 2 wrong usage; 128 + N ended at once by a second signal N.\n";

// Where options of all commands are put, and the command that was chosen.
//
// Thread: start-up. Lives while the arguments are read and the command runs.
struct Chosen {
  StartOptions start;
  std::function<int()> run;
};

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

CLI::App* add_command(CLI::App& app, const char* name, const char* about, const char* footer) {
  CLI::App* command = app.add_subcommand(name, about);
  command->footer(fmt::format("\n{}\n\n{}", footer, kExitCodes));
  return command;
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
      "Each complaint has file, line, column, what was found and what is expected.\n\n"
      "Example: ringcastd check-config /etc/ringcast.toml && systemctl restart ringcast");
  command->add_option("FILE", start.config_file, "a TOML file")->required();
  command->callback([&] { chosen.run = [&start] { return check_config_file(start); }; });

  command = add_command(app, "config-reference", "print every key of the configuration as Markdown",
                        "Example: ringcastd config-reference > docs/configuration.md");
  command->callback([&] { chosen.run = print_reference; });
}

}  // namespace

int run_command_line(int argc, char** argv) {
  const std::string name =
      argc > 0 ? std::filesystem::path(argv[0]).filename().string() : "ringcastd";
  Chosen chosen;
  CLI::App app("Ringcast, a realtime fan-out engine.", name);
  app.set_version_flag("--version", fmt::format("ringcast {}", kVersion));
  app.require_subcommand(1);
  app.footer(
      fmt::format("\nFirst steps: `ringcastd dev`, then open the address that it prints.\n"
                  "`{} COMMAND --help` explains a command and has an example.\n\n{}",
                  name, kExitCodes));
  add_daemon_commands(app, chosen);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kExitOk : kExitUsage;
  }
  return chosen.run();
}

}  // namespace ringcast
