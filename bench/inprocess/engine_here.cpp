#include "engine_here.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace ringcast::bench {

namespace {

pid_t thread_named(std::string_view wanted) {
  for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream comm(thread.path() / "comm");
    std::string name;
    if (std::getline(comm, name) && name == wanted) return std::stoi(thread.path().filename());
  }
  return -1;
}

}  // namespace

Result<EngineHere> EngineHere::start(BackendWish backend, std::size_t connections_max) {
  Config config;
  config.dev = true;
  config.listen.address = "127.0.0.1:0";
  config.listen.connections_max = static_cast<std::uint32_t>(connections_max);
  config.listen.connections_per_address_max = config.listen.connections_max;
  config.engine.shards = 1;
  config.engine.backend = backend;
  config.limits.ping_interval_s = 600;
  auto engine = Engine::start(std::move(config));
  if (!engine) return engine.error();
  const pid_t thread = thread_named("shard 0");
  if (thread < 0) return {Errc::not_found, "no thread is named 'shard 0'"};
  return EngineHere(std::move(*engine), thread);
}

std::uint16_t EngineHere::port() const {
  const std::string& address = engine_->address();
  return static_cast<std::uint16_t>(std::atoi(address.c_str() + address.rfind(':') + 1));
}

}  // namespace ringcast::bench
