#include "bindings/message_type.hpp"

#include <string>
#include <string_view>
#include <utility>

#include "bindings/held_type.hpp"

namespace py = pybind11;

namespace ringcast::bindings {

namespace {

struct Held {
  EventRef event;
  py::object room;
  py::object epoch;
  py::object data;  // once somebody has asked for it
};
using MessageType = HeldType<Held>;

PyObject* data_name = nullptr;  // interned, as the names in a program are
PyObject* size_name = nullptr;

Held& held(PyObject* self) { return MessageType::of(self); }

PyObject* get_room(PyObject* self, void*) {
  Held& message = held(self);
  if (!message.room) message.room = own(text_of(message.event->room));
  return Py_XNewRef(message.room.ptr());
}
PyObject* get_event(PyObject* self, void*) { return text_of(held(self).event->type); }
PyObject* get_offset(PyObject* self, void*) {
  const Offset offset = held(self).event->offset;
  return offset == 0 ? Py_NewRef(Py_None) : PyLong_FromUnsignedLongLong(offset);
}
PyObject* get_epoch(PyObject* self, void*) {
  const py::object& epoch = held(self).epoch;
  return Py_NewRef(epoch ? epoch.ptr() : Py_None);
}
PyObject* get_id(PyObject* self, void*) { return text_of(held(self).event->id.text()); }
PyObject* get_key(PyObject* self, void*) { return text_of(held(self).event->key); }
PyObject* get_time(PyObject* self, void*) {
  return PyLong_FromLongLong(held(self).event->time.time_since_epoch().count());
}
PyObject* get_size(PyObject* self, void*) {
  return PyLong_FromSize_t(held(self).event->data.size());
}
PyObject* get_data(PyObject* self, void*) {
  Held& message = held(self);
  if (!message.data) {
    const std::string_view data = message.event->data;
    message.data =
        own(PyBytes_FromStringAndSize(data.data(), static_cast<Py_ssize_t>(data.size())));
  }
  return Py_XNewRef(message.data.ptr());
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
  const py::object arguments = py::make_tuple(
      own(get_room(self, nullptr)), own(get_event(self, nullptr)), own(get_offset(self, nullptr)),
      own(get_epoch(self, nullptr)), message.event->id.text(), own(get_time(self, nullptr)),
      own(get_data(self, nullptr)));
  return py::make_tuple(MessageType::base(), arguments).release().ptr();
}

template <class Function>
void* slot(Function function) {
  return reinterpret_cast<void*>(function);
}

}  // namespace

void make_message_type() {
  if (MessageType::defined()) return;
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
  MessageType::define("ringcast._core.Message",
                      py::module_::import("ringcast._messages").attr("Message"), attributes,
                      {{Py_tp_methods, methods},
                       {Py_tp_getattro, slot(get_attribute)},
                       {Py_bf_getbuffer, slot(get_buffer)}});
  data_name = PyUnicode_InternFromString("data");
  size_name = PyUnicode_InternFromString("size");
}

PyObject* new_message(EventRef event, PyObject* room, PyObject* epoch) {
  return MessageType::make({std::move(event),
                            py::reinterpret_borrow<py::object>(room),
                            py::reinterpret_borrow<py::object>(epoch),
                            {}});
}

}  // namespace ringcast::bindings
