// Which copy of SQLite a driver of Python calls.
#pragma once

#include <pybind11/pybind11.h>

#include <optional>
#include <string>

namespace ringcast::bindings {

// The file of the driver that `connection`, one of its classes, is in, if that one calls another
// copy of SQLite than the engine. Nothing: the same, or no driver's class. Thread: whichever holds
// the GIL.
[[nodiscard]] std::optional<std::string> foreign_sqlite(const pybind11::type& connection);

}  // namespace ringcast::bindings
