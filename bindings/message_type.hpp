// Messages as Python sees them, without a copy of anything until somebody looks.
#pragma once

#include <pybind11/pybind11.h>

#include "message/event.hpp"

namespace ringcast::bindings {

// Makes the type `ringcast._core.Message`, a subclass of `ringcast._messages.Message` that holds a
// reference to an event and converts each attribute when it is asked for. Called once, before the
// first new_message(). Thread: any that holds the GIL, as for all here.
void make_message_type();

// A new reference, or null with an exception set (no memory). `room` and `epoch` are str objects
// that many messages share; null: the room's name is made when asked for, there is no epoch.
[[nodiscard]] PyObject* new_message(EventRef event, PyObject* room, PyObject* epoch);

}  // namespace ringcast::bindings
