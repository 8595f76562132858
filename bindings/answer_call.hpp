// The answer to every call of a client, without pybind11's conversions in the way.
#pragma once

#include <pybind11/pybind11.h>

#include "bindings/core.hpp"

namespace ringcast::bindings {

// answer(number, data, code="", message="", fields=None), by position: data is JSON text, or None
// and the rest says why there is none. Nothing, where nobody waits under that number or the engine
// does not run. Thread: any that holds the GIL, also after the end of the core.
[[nodiscard]] pybind11::object make_answer(const Core& core);

}  // namespace ringcast::bindings
