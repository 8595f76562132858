// Answers to what the server API asks, as Python's values.
#pragma once

#include <pybind11/pybind11.h>

#include "message/admin.hpp"

namespace ringcast::bindings {

// HistoryPage: (messages, epoch or None, offset, complete, more); RoomsPage: [(room, subscribers,
// history, epoch or None, offset)]; Kicked: (count); Counts: (connections, subscriptions, rooms).
[[nodiscard]] pybind11::tuple values_of(const AdminAnswer& answer);

}  // namespace ringcast::bindings
