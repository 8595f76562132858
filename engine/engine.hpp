// The engine: what the daemon, the Python module and C++ programs start and stop.
#pragma once

#include <memory>
#include <string>

#include "application.hpp"
#include "base/result.hpp"
#include "config/config.hpp"
#include "hub/handlers.hpp"
#include "port.hpp"

namespace ringcast {

// A running engine: its shards, its source, its listeners.
//
// Thread: the one that owns it. The destructor stops and joins. Limits are those of its
// configuration.
class Engine final {
 public:
  // Binds, starts every thread and returns once connections are accepted. `config` is one that
  // check_config() has no complaint about. The error is one sentence for whoever starts it.
  static Result<std::unique_ptr<Engine>> start(Config config);
  // The same with what an application answers to clients: CallMail and HookMail come to the ports,
  // of which there must be one at least. A user is always served by the same of them.
  static Result<std::unique_ptr<Engine>> start(Config config, Handlers handlers);

  // The same with C++ handlers, on app.threads threads of the engine; they have ports of their own,
  // besides those of engine.ports.
  static Result<std::unique_ptr<Engine>> start(Config config, Application application);

  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Where it listens, as HOST:PORT with the port that was chosen.
  [[nodiscard]] const std::string& address() const;

  // The way in and out for one thread of this process; config.engine.ports says how many there are.
  // Lives as long as the engine; after join() nothing comes of what it is asked.
  [[nodiscard]] Port& port(std::uint32_t index);

  // How connections are told that they end.
  enum class Stop { goes_away, restarts };
  // Begins to stop: no new connections, every WebSocket is told, answers that are due are given.
  void request_stop(Stop how);
  // Until all threads have ended, at the latest stop_deadline_ms after request_stop().
  void join();

 private:
  struct Parts;
  explicit Engine(std::unique_ptr<Parts> parts);
  // `answering` are the last of the ports.
  static Result<std::unique_ptr<Engine>> start(Config config, Handlers handlers,
                                               std::uint32_t answering, Application application);
  static void run_application(Parts& parts);
  static Result<void> wire(Parts& parts);
  static Result<void> run(Parts& parts);
  static void set_reports(Parts& parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace ringcast
