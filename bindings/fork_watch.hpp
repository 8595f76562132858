// Tells the cores of this process when it is the child of a fork.
#pragma once

namespace ringcast::bindings {

class Core;

// Between the two the core's become_child() is called in every child that is forked, before fork()
// returns there: also by hosts that call fork() themselves and run none of Python's hooks, as uWSGI
// does. Thread: whichever holds the GIL; who forks without it must not do so meanwhile.
void watch_forks(Core& core);
void unwatch_forks(Core& core);

}  // namespace ringcast::bindings
