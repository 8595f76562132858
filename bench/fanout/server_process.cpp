#include "server_process.hpp"

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <utility>

#include "client_socket.hpp"

namespace ringcast::bench {

Result<ServerProcess> ServerProcess::start(const std::string& binary, const std::string& store,
                                           const std::vector<std::string>& more,
                                           std::uint16_t port) {
  std::vector<std::string> command{
      binary,    "dev", "--listen",    fmt::format("127.0.0.1:{}", port),
      "--store", store, "--log-level", "error"};
  command.insert(command.end(), more.begin(), more.end());
  return launch(std::move(command));
}

Result<ServerProcess> ServerProcess::launch(std::vector<std::string> command) {
  int output[2];
  if (::pipe(output) != 0) return {Errc::unavailable, "pipe() failed"};
  std::vector<char*> argv;
  for (std::string& argument : command) argv.push_back(argument.data());
  argv.push_back(nullptr);
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::dup2(output[1], STDOUT_FILENO);
    ::close(output[0]);
    ::execvp(argv[0], argv.data());
    std::_Exit(127);
  }
  ::close(output[1]);
  std::string line;
  for (char c = 0; ::read(output[0], &c, 1) == 1 && c != '\n';) line += c;
  const auto colon = line.rfind(':');
  if (!line.starts_with("listening on ") || colon == std::string::npos) {
    ::close(output[0]);
    ::kill(pid, SIGTERM);
    ::waitpid(pid, nullptr, 0);
    return {Errc::unavailable, fmt::format("{} did not start: '{}'", command[0], line)};
  }
  return ServerProcess(pid, output[0],
                       static_cast<std::uint16_t>(std::atoi(line.c_str() + colon + 1)));
}

ServerProcess::ServerProcess(ServerProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      output_(std::exchange(other.output_, -1)),
      port_(other.port_) {}

ServerProcess::~ServerProcess() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGTERM);
  ::waitpid(pid_, nullptr, 0);
  ::close(output_);
}

std::uint64_t ServerProcess::resident_bytes() const {
  std::ifstream status(fmt::format("/proc/{}/status", pid_));
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmRSS:")) return std::strtoull(line.c_str() + 6, nullptr, 10) * 1'024;
  return 0;
}

double ServerProcess::metric(const std::string& name) const { return metric_of(port_, name); }

}  // namespace ringcast::bench
