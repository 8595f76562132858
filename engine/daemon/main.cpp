#include <cstdio>
#include <exception>

#include "daemon/command_line.hpp"
#include "daemon/exit_code.hpp"

// What libraries throw at start-up ends here; nothing of ours throws.
int main(int argc, char** argv) {
  try {
    return ringcast::run_command_line(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", argv[0], error.what());
    return ringcast::kExitFailed;
  }
}
