// `ringcastd` and `ringcast`: one program, one table of commands.
#pragma once

namespace ringcast {

// Reads the arguments, runs the command, returns the exit code (daemon/exit_code.hpp).
// Thread: start-up.
[[nodiscard]] int run_command_line(int argc, char** argv);

}  // namespace ringcast
