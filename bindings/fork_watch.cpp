#include "bindings/fork_watch.hpp"

#include <pthread.h>

#include <vector>

#include "bindings/core.hpp"

namespace ringcast::bindings {

namespace {

// fork() gives its handlers no argument.
std::vector<Core*>& watching() {
  static std::vector<Core*> cores;
  return cores;
}

void in_child() {
  for (Core* core : watching()) core->become_child();
  watching().clear();
}

}  // namespace

void watch_forks(Core& core) {
  static const int registered = pthread_atfork(nullptr, nullptr, in_child);
  if (registered == 0) watching().push_back(&core);
}

void unwatch_forks(Core& core) { std::erase(watching(), &core); }

}  // namespace ringcast::bindings
