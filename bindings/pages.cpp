#include "bindings/pages.hpp"

#include <string>

#include "bindings/message_type.hpp"

namespace py = pybind11;

namespace ringcast::bindings {

namespace {

py::object epoch_of(const std::optional<Position>& at) {
  if (!at || at->epoch.empty()) return py::none();
  return py::str(at->epoch);
}

py::tuple values(const HistoryPage& page) {
  const py::str room(page.room);
  const py::object epoch = epoch_of(page.top);
  py::list messages;
  for (const EventRef& event : page.events) {
    PyObject* made = new_message(event, room.ptr(), epoch.is_none() ? nullptr : epoch.ptr());
    if (made == nullptr) throw py::error_already_set();
    messages.append(py::reinterpret_steal<py::object>(made));
  }
  return py::make_tuple(messages, epoch, page.top ? page.top->offset : 0, page.complete, page.more);
}

py::tuple values(const RoomsPage& page) {
  py::list rows;
  for (const RoomRow& row : page.rooms)
    rows.append(py::make_tuple(row.room, row.subscribers, row.history, epoch_of(row.at),
                               row.at ? row.at->offset : 0));
  return py::make_tuple(rows);
}

py::tuple values(const Kicked& kicked) { return py::make_tuple(kicked.count); }

py::tuple values(const Counts& counts) {
  return py::make_tuple(counts.connections, counts.subscriptions, counts.rooms);
}

}  // namespace

py::tuple values_of(const AdminAnswer& answer) {
  return std::visit([](const auto& page) { return values(page); }, answer);
}

}  // namespace ringcast::bindings
