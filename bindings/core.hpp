// The engine inside a Python process.
#pragma once

#include <pybind11/pybind11.h>

#include <memory>
#include <string>
#include <vector>

#include "bindings/bridge.hpp"
#include "config/config.hpp"
#include "engine.hpp"
#include "queue/log_lines.hpp"

namespace ringcast::bindings {

// What `ringcast._core.Core` is: a configuration, and the engine while it runs. Making one starts
// nothing.
//
// Thread: whichever holds the GIL; what waits gives it up. Lives as long as its Python object.
// Limits are those of the configuration. In the child of a fork the engine's threads do not exist:
// it has forked(), does not run, and its stop() lets go of the engine without touching it.
class Core final {
 public:
  // `section.key=value` each, over RINGCAST_ variables, over the file if one is named, over the
  // defaults of an embedded engine. Throws Refused with every mistake at once.
  Core(std::vector<std::string> settings, const std::string& file);
  ~Core();
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  // What clients may ask of the application; before start(), for as long as this lives.
  [[nodiscard]] Handlers& handlers() { return handlers_; }
  // Returns where it listens, as HOST:PORT. `owner`: see Bridge.
  std::string start(const pybind11::object& owner);
  [[nodiscard]] const Config& config() const { return config_; }
  [[nodiscard]] bool running() const { return engine_ != nullptr && !forked_; }
  [[nodiscard]] bool forked() const { return forked_; }
  // Between start and release; throws Refused otherwise.
  [[nodiscard]] Bridge& bridge() const;
  // For calls that do not go through pybind11, and may outlive this.
  struct Door {
    Bridge* bridge = nullptr;  // none: the engine does not run
    bool closes = false;       // nothing more is published, since request_stop()
  };
  [[nodiscard]] pybind11::object door() const { return door_; }
  [[nodiscard]] static Door& behind(PyObject* door) {
    return *static_cast<Door*>(PyCapsule_GetPointer(door, nullptr));
  }

  // Lines of the engine's log that nobody has taken, (level of Python's logging, text), at most
  // about `max`: as many, and there are more. log_fd() is readable when some have come, while it
  // runs.
  [[nodiscard]] int log_fd() const;
  [[nodiscard]] pybind11::list take_log(std::size_t max);

  // The three steps of an end, for a loop that goes on in between: closes the door and tells every
  // client; waits, at most stop_deadline_ms; gives everything back.
  void request_stop(bool restart);
  void join();
  void release();
  // All of them. Nothing if it does not run.
  void stop();

  // In the child of a fork, perhaps without the GIL: closes the sockets that it inherited, so that
  // the parent's clients and port do not hang on this process. See fork_watch.hpp.
  void become_child();

 private:
  void set_bridge(std::unique_ptr<Bridge> bridge);
  void end_log();
  void let_go();

  Config config_;
  Handlers handlers_;
  std::unique_ptr<LogLines> log_;
  std::vector<LogLine> last_lines_;  // of an engine that runs no more
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<Bridge> bridge_;
  pybind11::object door_;  // a capsule of a Door
  bool forked_ = false;
};

}  // namespace ringcast::bindings
