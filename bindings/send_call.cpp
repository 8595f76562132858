#include "bindings/send_call.hpp"

#include <array>
#include <optional>
#include <string_view>

#include "bindings/refused.hpp"

namespace py = pybind11;

namespace ringcast::bindings {

namespace {

constexpr Py_ssize_t kArguments = 8;
constexpr std::array<const char*, kArguments> kNames = {
    "tag", "room", "event", "data", "id", "key", "exclude_user", "idempotency_key"};

std::optional<std::string_view> wrong_type(const char* name, const char* expected, PyObject* got) {
  PyErr_Format(PyExc_TypeError, "%s: expected %s, got %.100s", name, expected,
               Py_TYPE(got)->tp_name);
  return std::nullopt;
}

std::optional<std::string_view> text_of(PyObject* value, std::size_t at) {
  if (at >= 4 && value == Py_None) return std::string_view();
  if (!PyUnicode_Check(value)) return wrong_type(kNames[at], at < 4 ? "str" : "str or None", value);
  Py_ssize_t size = 0;
  const char* text = PyUnicode_AsUTF8AndSize(value, &size);
  if (text == nullptr) return std::nullopt;
  return std::string_view(text, static_cast<std::size_t>(size));
}

std::optional<Publication> publication_of(PyObject* const* arguments) {
  Publication made;
  PyObject* data = arguments[3];
  if (!PyBytes_Check(data)) return wrong_type("data", "bytes", data), std::nullopt;
  made.data = {PyBytes_AS_STRING(data), static_cast<std::size_t>(PyBytes_GET_SIZE(data))};
  const std::array<std::pair<std::size_t, std::string_view*>, 6> texts = {
      {{1, &made.room},
       {2, &made.event},
       {4, &made.id},
       {5, &made.key},
       {6, &made.exclude_user},
       {7, &made.idempotency_key}}};
  for (const auto& [at, text] : texts) {
    const auto read = text_of(arguments[at], at);
    if (!read) return std::nullopt;
    *text = *read;
  }
  return made;
}

PyObject* send(PyObject* door, PyObject* const* arguments, Py_ssize_t count) {
  if (count != kArguments)
    return PyErr_Format(PyExc_TypeError, "send: expected %zd arguments, got %zd", kArguments,
                        count);
  Bridge* bridge = *static_cast<Bridge**>(PyCapsule_GetPointer(door, nullptr));
  if (bridge == nullptr) {
    raise(Refused(Error{Errc::unavailable, "the engine does not run"}));
    return nullptr;
  }
  const long long tag = PyLong_AsLongLong(arguments[0]);
  if (tag == -1 && PyErr_Occurred() != nullptr) return nullptr;
  const auto ask = publication_of(arguments);
  if (!ask) return nullptr;
  // -1 is kErrorsOnly.
  const auto sent = bridge->publish(*ask, static_cast<std::uint64_t>(tag));
  if (sent) Py_RETURN_TRUE;
  if (sent.error().code == Errc::unavailable) Py_RETURN_FALSE;
  raise(Refused(sent.error()));
  return nullptr;
}

}  // namespace

py::object make_send(const Core& core) {
  static PyMethodDef definition = {
      "send", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(send)), METH_FASTCALL,
      nullptr};
  return py::reinterpret_steal<py::object>(
      PyCFunction_NewEx(&definition, core.door().ptr(), nullptr));
}

}  // namespace ringcast::bindings
