#include "bindings/core.hpp"

#include <pybind11/pybind11.h>
#include <signal.h>

#include <string_view>
#include <utility>

#include "base/log.hpp"
#include "bindings/context_type.hpp"
#include "bindings/fork_watch.hpp"
#include "bindings/inherited_sockets.hpp"
#include "bindings/message_type.hpp"
#include "bindings/refused.hpp"
#include "config/check.hpp"
#include "config/load.hpp"

namespace ringcast::bindings {

namespace {

Config embedded_defaults() {
  Config config;
  // The loop's thread wants a CPU as well, and fans out in bulk: one shard serves it.
  config.engine.shards = 1;
  config.listen.address = "127.0.0.1:0";
  config.log.level = log::Level::warning;
  return config;
}

int python_level(log::Level level) {
  switch (level) {
    case log::Level::debug:
      return 10;
    case log::Level::info:
      return 20;
    case log::Level::warning:
      return 30;
    case log::Level::error:
      return 40;
  }
  return 40;
}

// Threads inherit the mask of the one that starts them: signals stay with Python's main thread.
class SignalsBlocked final {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_{};
};

}  // namespace

Core::Core(std::vector<std::string> settings, const std::string& file) {
  ConfigSources sources;
  if (!file.empty()) {
    auto read = read_config_file(file);
    if (!read) throw Refused(read.error());
    sources.file = std::move(*read);
  }
  sources.environment = ringcast_environment();
  sources.overrides = std::move(settings);
  LoadedConfig loaded = load_config(sources, embedded_defaults());
  for (ConfigProblem& problem : check_serve(loaded.config))
    loaded.problems.push_back(std::move(problem));
  constexpr std::string_view kFlag = "--set ";
  for (ConfigProblem& problem : loaded.problems)
    if (problem.where.starts_with(kFlag)) problem.where.erase(0, kFlag.size());
  if (!loaded.problems.empty()) throw Refused(std::move(loaded.problems));
  config_ = std::move(loaded.config);
  config_.engine.ports = 1;
  door_ = pybind11::capsule(new Door, [](void* door) { delete static_cast<Door*>(door); });
}

Core::~Core() { stop(); }

std::string Core::start(const pybind11::object& owner) {
  if (engine_) throw Refused(Error{Errc::conflict, "it runs already"});
  make_message_type();
  make_context_type();
  // What a line looks like is Python's to say.
  log::configure(config_.log.level, log::Format::human);
  log_ = std::make_unique<LogLines>(config_.log.lines_max);
  auto engine = [&] {
    const pybind11::gil_scoped_release released;
    const SignalsBlocked blocked;
    return Engine::start(config_, handlers_);
  }();
  if (!engine) {
    end_log();
    throw Refused(engine.error());
  }
  engine_ = std::move(*engine);
  watch_forks(*this);
  set_bridge(std::make_unique<Bridge>(engine_->port(0), config_, handlers_, owner));
  return engine_->address();
}

void Core::set_bridge(std::unique_ptr<Bridge> bridge) {
  behind(door_.ptr()) = {bridge.get(), false};
  bridge_ = std::move(bridge);
}

Bridge& Core::bridge() const {
  if (!bridge_ || forked_) throw Refused(Error{Errc::unavailable, "the engine does not run"});
  return *bridge_;
}

int Core::log_fd() const {
  if (!log_) throw Refused(Error{Errc::unavailable, "the engine does not run"});
  return log_->fd();
}

pybind11::list Core::take_log(std::size_t max) {
  pybind11::list taken;
  if (forked_) return taken;
  for (const auto& [level, text] : log_ ? log_->take(max) : std::exchange(last_lines_, {}))
    taken.append(pybind11::make_tuple(python_level(level), text));
  return taken;
}

void Core::end_log() {
  last_lines_ = log_->take(config_.log.lines_max + 1);
  log_.reset();
}

void Core::request_stop(bool restart) {
  if (!running()) return;
  behind(door_.ptr()).closes = true;
  bridge_->flush();
  engine_->request_stop(restart ? Engine::Stop::restarts : Engine::Stop::goes_away);
}

void Core::join() {
  if (!running()) return;
  const pybind11::gil_scoped_release released;
  engine_->join();
}

void Core::release() {
  if (forked_) return let_go();
  if (!engine_) return;
  unwatch_forks(*this);
  set_bridge(nullptr);
  {
    const pybind11::gil_scoped_release released;
    engine_.reset();
  }
  end_log();
}

void Core::stop() {
  request_stop(true);
  join();
  release();
}

void Core::become_child() {
  forked_ = true;
  behind(door_.ptr()) = {};
  close_inherited_sockets(engine_->address(), config_.listen.unix_path);
}

void Core::let_go() {
  // Its destructor would wait for threads that only the parent has, and remove the parent's socket
  // file.
  std::ignore = engine_.release();
  // A thread of the parent may have held the log's lock when it forked.
  std::ignore = log_.release();
  // The port is the parent's: neither is what waits there ours.
  set_bridge(nullptr);
}

}  // namespace ringcast::bindings
