#include <csignal>
#include <cstdio>

#include "engine.hpp"

int main(int argc, char** argv) {
  using namespace ringcast;
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  Config config;
  config.dev = true;
  config.auth.api_keys = {"dev"};
  config.store.url = argc > 1 ? argv[1] : "sqlite:/tmp/ringcast-dev.db";
  config.engine.shards = 2;
  config.log.level = log::Level::debug;
  log::configure(log::Level::debug, log::Format::human);
  auto engine = Engine::start(config);
  if (!engine) {
    std::fprintf(stderr, "%s\n", engine.error().detail.c_str());
    return 1;
  }
  std::printf("listening on http://%s\n", (*engine)->address().c_str());
  std::fflush(stdout);
  int signal = 0;
  sigwait(&signals, &signal);
  (*engine)->request_stop(Engine::Stop::goes_away);
  (*engine)->join();
  return 0;
}
