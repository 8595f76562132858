// The calls of every publish, without pybind11's conversions in the way.
#pragma once

#include <pybind11/pybind11.h>

#include "bindings/core.hpp"

namespace ringcast::bindings {

// publish_nowait(room, data=None, *, event="message", id=None, key=None, exclude_user=None,
// idempotency_key=None): what Engine.publish_nowait is while the engine runs. `data` that is not
// bytes goes through `encode(data) -> bytes`.
//
// What the engine does not take is raised as what `refusal(code, text)` returns; UNAVAILABLE: no
// room in the queue, or no engine any more. Nothing has happened then. Thread: any that holds the
// GIL, also after the end of the core and in the child of a fork.
[[nodiscard]] pybind11::object make_publish_nowait(const Core& core,
                                                   const pybind11::object& refusal,
                                                   const pybind11::object& encode);

// The same with the tag of its answer before the room.
[[nodiscard]] pybind11::object make_publish_tagged(const Core& core,
                                                   const pybind11::object& refusal,
                                                   const pybind11::object& encode);

}  // namespace ringcast::bindings
