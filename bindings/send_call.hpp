// The calls of every message, without pybind11's conversions in the way.
#pragma once

#include <pybind11/pybind11.h>

#include "bindings/core.hpp"

namespace ringcast::bindings {

// send(tag, room, event, data, id, key, exclude_user, idempotency_key) -> bool, by position; the
// last four may be None. False: no room in the queue, nothing has happened. Tag -1: nobody waits
// for an answer. Raises TypeError and Refused. Thread: any that holds the GIL.
[[nodiscard]] pybind11::object make_send(const Core& core);

}  // namespace ringcast::bindings
