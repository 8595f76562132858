// The commands of the program: what they take, and what is run when one was chosen.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

#include "daemon/outbox_command.hpp"
#include "daemon/publish_command.hpp"
#include "daemon/room_follower.hpp"
#include "daemon/start_config.hpp"
#include "daemon/token_command.hpp"

namespace ringcast {

// At the end of every --help; the numbers are those of daemon/exit_code.hpp.
inline constexpr const char* kExitCodes =
    "Exit codes: 0 done, or stopped as asked; 1 refused or failed (configuration, port in use,\n"
    "store, server's answer); 2 wrong usage; 128 + N ended at once by a second signal N.\n";

// Where the arguments are put, and the command that was chosen.
//
// Thread: start-up. Lives while the arguments are read and the command runs.
struct Chosen {
  StartOptions start;
  PublishOptions publish;
  SubscribeOptions subscribe;
  std::string subscribe_url;
  std::string subscribe_from;
  bool subscribe_json = false;
  TokenOptions token;
  OutboxOptions outbox;
  std::function<int()> run;
};

// A command with `details`, which hold an example, and the exit codes below its options.
CLI::App* add_command(CLI::App& app, const char* name, const char* about, const char* details);

void add_daemon_commands(CLI::App& app, Chosen& chosen);  // dev, serve, check-config, ...
void add_client_commands(CLI::App& app, Chosen& chosen);  // pub, sub, token
void add_outbox_commands(CLI::App& app, Chosen& chosen);  // outbox status, dead-letters, ...

}  // namespace ringcast
