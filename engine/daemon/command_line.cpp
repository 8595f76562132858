#include "daemon/command_line.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <string>

#include "daemon/commands.hpp"
#include "daemon/exit_code.hpp"
#include "daemon/version.hpp"

namespace ringcast {

CLI::App* add_command(CLI::App& app, const char* name, const char* about, const char* details) {
  CLI::App* command = app.add_subcommand(name, about);
  command->footer(fmt::format("\n{}\n\n{}", details, kExitCodes));
  return command;
}

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
  add_client_commands(app, chosen);
  add_outbox_commands(app, chosen);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kExitOk : kExitUsage;
  }
  return chosen.run();
}

}  // namespace ringcast
