#include "bindings/context_type.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "auth/identity.hpp"
#include "bindings/callers.hpp"
#include "bindings/held_type.hpp"

namespace py = pybind11;

namespace ringcast::bindings {

namespace {

struct CallerHeld {
  py::object event;
  std::shared_ptr<const Identity> identity;
  std::shared_ptr<const RoomSet> room_set;
  py::object rooms;  // once somebody has asked for it
  std::string idempotency_key;
  ConnectionId connection;
  Uuid correlation_id;
  WallTime time;
};
using ContextType = HeldType<CallerHeld>;

// The same octets for the same thing; Python shows them as text when somebody looks.
template <class Plain>
PyObject* octets_of(const Plain& value) {
  static_assert(std::has_unique_object_representations_v<Plain>);
  return PyBytes_FromStringAndSize(reinterpret_cast<const char*>(&value), sizeof value);
}

PyObject* caller_event(PyObject* self, void*) {
  return Py_NewRef(ContextType::of(self).event.ptr());
}
PyObject* caller_user(PyObject* self, void*) {
  const auto& identity = ContextType::of(self).identity;
  return text_of(identity ? std::string_view(identity->user) : std::string_view());
}
PyObject* caller_rooms(PyObject* self, void*) {
  CallerHeld& context = ContextType::of(self);
  if (!context.rooms) context.rooms = rooms_of(context.room_set);
  return Py_NewRef(context.rooms.ptr());
}
PyObject* caller_idempotency_key(PyObject* self, void*) {
  const std::string& key = ContextType::of(self).idempotency_key;
  return key.empty() ? Py_NewRef(Py_None) : text_of(key);
}
PyObject* caller_connection(PyObject* self, void*) {
  return octets_of(ContextType::of(self).connection);
}
PyObject* caller_correlation_id(PyObject* self, void*) {
  return octets_of(ContextType::of(self).correlation_id.bytes);
}
PyObject* caller_time(PyObject* self, void*) {
  return PyLong_FromLongLong(ContextType::of(self).time.time_since_epoch().count());
}

// As the plain class: what leaves the process holds nothing of the engine's.
PyObject* caller_reduced(PyObject* self, PyObject*) {
  const py::object arguments = py::make_tuple(
      own(caller_event(self, nullptr)), own(caller_user(self, nullptr)),
      own(caller_connection(self, nullptr)), py::frozenset(own(caller_rooms(self, nullptr))),
      own(caller_correlation_id(self, nullptr)), own(caller_idempotency_key(self, nullptr)),
      own(caller_time(self, nullptr)));
  return py::make_tuple(ContextType::base(), arguments).release().ptr();
}

py::object new_context(CallerHeld&& held) {
  PyObject* made = ContextType::make(std::move(held));
  if (made == nullptr) throw py::error_already_set();
  return own(made);
}

}  // namespace

void make_context_type() {
  if (ContextType::defined()) return;
  static PyGetSetDef attributes[] = {
      {"event", caller_event, nullptr, nullptr, nullptr},
      {"user", caller_user, nullptr, nullptr, nullptr},
      {"rooms", caller_rooms, nullptr, nullptr, nullptr},
      {"idempotency_key", caller_idempotency_key, nullptr, nullptr, nullptr},
      {"_connection", caller_connection, nullptr, nullptr, nullptr},
      {"_correlation_id", caller_correlation_id, nullptr, nullptr, nullptr},
      {"_time", caller_time, nullptr, nullptr, nullptr},
      {},
  };
  static PyMethodDef methods[] = {{"__reduce__", caller_reduced, METH_NOARGS, nullptr}, {}};
  ContextType::define("ringcast._core.Context",
                      py::module_::import("ringcast._context").attr("Context"), attributes,
                      {{Py_tp_methods, methods}});
}

py::object context_of(const CallMail& call, const py::object& event) {
  return new_context({event,
                      call.identity,
                      call.rooms,
                      {},
                      call.idempotency_key,
                      call.caller.connection,
                      call.correlation_id,
                      call.time});
}

py::object context_of(const HookMail& hook) {
  return new_context({py::str(hook_name(hook.kind)),
                      hook.identity,
                      nullptr,
                      {},
                      {},
                      hook.caller.connection,
                      hook.correlation_id,
                      {}});
}

}  // namespace ringcast::bindings
