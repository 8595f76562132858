#include "bindings/message_type.hpp"

#include <cstring>
#include <new>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace py = pybind11;

namespace ringcast::bindings {

namespace {

// What stands behind the slots of the Python class, which stay empty: the attributes here have the
// same names and come first.
struct Held {
  EventRef event;
  PyObject* room = nullptr;
  PyObject* epoch = nullptr;
  PyObject* data = nullptr;  // once somebody has asked for it
};

PyTypeObject* message_type = nullptr;
PyObject* data_name = nullptr;  // interned, as the names in a program are
PyObject* size_name = nullptr;
Py_ssize_t held_at = 0;

// Memory of messages that are gone, for those that come: as many as a turn brings. Python's
// collector, which runs after so many allocations, does not hear of them.
constexpr std::size_t kSpareMax = 1024;
std::vector<PyObject*> spare;

// Its own part is not there yet.
PyObject* new_object() {
  if (!spare.empty()) {
    PyObject* self = PyObject_Init(spare.back(), message_type);
    spare.pop_back();
    return self;
  }
  PyObject* self = PyObject_GC_New(PyObject, message_type);
  if (self != nullptr)
    std::memset(reinterpret_cast<char*>(self) + sizeof(PyObject), 0,
                static_cast<std::size_t>(held_at) - sizeof(PyObject));
  return self;
}

Held& held(PyObject* self) {
  return *std::launder(reinterpret_cast<Held*>(reinterpret_cast<char*>(self) + held_at));
}

PyObject* text(std::string_view from) {
  return PyUnicode_FromStringAndSize(from.data(), static_cast<Py_ssize_t>(from.size()));
}

PyObject* get_room(PyObject* self, void*) {
  Held& message = held(self);
  if (message.room == nullptr) message.room = text(message.event->room);
  return Py_XNewRef(message.room);
}
PyObject* get_event(PyObject* self, void*) { return text(held(self).event->type); }
PyObject* get_offset(PyObject* self, void*) {
  const Offset offset = held(self).event->offset;
  return offset == 0 ? Py_NewRef(Py_None) : PyLong_FromUnsignedLongLong(offset);
}
PyObject* get_epoch(PyObject* self, void*) {
  PyObject* epoch = held(self).epoch;
  return Py_NewRef(epoch == nullptr ? Py_None : epoch);
}
PyObject* get_id(PyObject* self, void*) { return text(held(self).event->id.text()); }
PyObject* get_key(PyObject* self, void*) { return text(held(self).event->key); }
PyObject* get_time(PyObject* self, void*) {
  return PyLong_FromLongLong(held(self).event->time.time_since_epoch().count());
}
PyObject* get_size(PyObject* self, void*) {
  return PyLong_FromSize_t(held(self).event->data.size());
}
PyObject* get_data(PyObject* self, void*) {
  Held& message = held(self);
  if (message.data == nullptr) {
    const std::string_view data = message.event->data;
    message.data = PyBytes_FromStringAndSize(data.data(), static_cast<Py_ssize_t>(data.size()));
  }
  return Py_XNewRef(message.data);
}
// What is asked for most, without a look at the type.
PyObject* get_attribute(PyObject* self, PyObject* name) {
  if (name == data_name) return get_data(self, nullptr);
  if (name == size_name) return get_size(self, nullptr);
  return PyObject_GenericGetAttr(self, name);
}
PyObject* get_view(PyObject* self, void*) { return PyMemoryView_FromObject(self); }

int get_buffer(PyObject* self, Py_buffer* view, int flags) {
  const std::string_view data = held(self).event->data;
  return PyBuffer_FillInfo(view, self, const_cast<char*>(data.data()),
                           static_cast<Py_ssize_t>(data.size()), 1, flags);
}

// As the plain class: what leaves the process holds no reference to the engine's memory.
PyObject* reduce(PyObject* self, PyObject*) {
  const Held& message = held(self);
  const auto own = [](PyObject* made) { return py::reinterpret_steal<py::object>(made); };
  const py::object arguments = py::make_tuple(
      own(get_room(self, nullptr)), own(get_event(self, nullptr)), own(get_offset(self, nullptr)),
      own(get_epoch(self, nullptr)), message.event->id.text(), own(get_time(self, nullptr)),
      own(get_data(self, nullptr)));
  const auto plain = py::handle(reinterpret_cast<PyObject*>(message_type->tp_base));
  return py::make_tuple(plain, arguments).release().ptr();
}

// The collector never hears of a message: it refers to nothing that could refer back.
void dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  Held& message = held(self);
  Py_XDECREF(message.room);
  Py_XDECREF(message.epoch);
  Py_XDECREF(message.data);
  message.~Held();
  if (spare.size() < kSpareMax)
    spare.push_back(self);
  else
    PyObject_GC_Del(self);
  Py_DECREF(type);
}

template <class Function>
void* slot(Function function) {
  return reinterpret_cast<void*>(function);
}

}  // namespace

void make_message_type() {
  if (message_type != nullptr) return;
  static PyGetSetDef attributes[] = {
      {"room", get_room, nullptr, nullptr, nullptr},
      {"event", get_event, nullptr, nullptr, nullptr},
      {"offset", get_offset, nullptr, nullptr, nullptr},
      {"epoch", get_epoch, nullptr, nullptr, nullptr},
      {"id", get_id, nullptr, nullptr, nullptr},
      {"data", get_data, nullptr, nullptr, nullptr},
      {"view", get_view, nullptr, nullptr, nullptr},
      {"size", get_size, nullptr, nullptr, nullptr},
      {"_data", get_data, nullptr, nullptr, nullptr},
      {"_time", get_time, nullptr, nullptr, nullptr},
      {"_key", get_key, nullptr, nullptr, nullptr},
      {},
  };
  static PyMethodDef methods[] = {{"__reduce__", reduce, METH_NOARGS, nullptr}, {}};
  PyType_Slot slots[] = {{Py_tp_getset, attributes},          {Py_tp_methods, methods},
                         {Py_tp_dealloc, slot(dealloc)},      {Py_tp_getattro, slot(get_attribute)},
                         {Py_bf_getbuffer, slot(get_buffer)}, {}};
  const py::object base = py::module_::import("ringcast._messages").attr("Message");
  const Py_ssize_t before = reinterpret_cast<PyTypeObject*>(base.ptr())->tp_basicsize;
  constexpr Py_ssize_t kAlign = alignof(Held);
  held_at = (before + kAlign - 1) / kAlign * kAlign;
  PyType_Spec spec{"ringcast._core.Message", static_cast<int>(held_at + Py_ssize_t{sizeof(Held)}),
                   0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};
  PyObject* made = PyType_FromSpecWithBases(&spec, py::make_tuple(base).ptr());
  if (made == nullptr) throw py::error_already_set();
  message_type = reinterpret_cast<PyTypeObject*>(made);
  data_name = PyUnicode_InternFromString("data");
  size_name = PyUnicode_InternFromString("size");
  spare.reserve(kSpareMax);
}

PyObject* new_message(EventRef event, PyObject* room, PyObject* epoch) {
  PyObject* self = new_object();
  if (self == nullptr) return nullptr;
  new (reinterpret_cast<char*>(self) + held_at)
      Held{std::move(event), Py_XNewRef(room), Py_XNewRef(epoch)};
  return self;
}

}  // namespace ringcast::bindings
