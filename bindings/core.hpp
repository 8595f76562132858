// The engine inside a Python process.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "engine.hpp"

namespace ringcast::bindings {

// What `ringcast._core.Core` is: a configuration, and the engine while it runs. Making one starts
// nothing.
//
// Thread: whichever holds the GIL; start() and stop() give it up while they wait. Lives as long as
// its Python object. Limits are those of the configuration. In the child of a fork it is only to be
// forget()ed: the engine's threads do not exist there.
class Core final {
 public:
  // `section.key=value` each, over RINGCAST_ variables, over the defaults of an embedded engine.
  // Throws Refused with every mistake at once.
  explicit Core(std::vector<std::string> settings);
  ~Core();
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  // Returns where it listens, as HOST:PORT.
  std::string start();
  // Tells every client and waits, at most stop_deadline_ms. Nothing if it does not run.
  void stop(bool restart);
  [[nodiscard]] bool running() const { return engine_ != nullptr; }

  // In the child of a fork: closes the sockets that it inherited, so that the parent's clients and
  // port do not hang on this process, and lets go of the engine without touching it.
  void forget();

 private:
  Config config_;
  std::unique_ptr<Engine> engine_;
};

}  // namespace ringcast::bindings
