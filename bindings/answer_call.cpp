#include "bindings/answer_call.hpp"

#include <string_view>

#include "bindings/bridge.hpp"

namespace py = pybind11;

namespace ringcast::bindings {

namespace {

constexpr Py_ssize_t kArguments = 5;

CallResult result_of(PyObject* const* arguments, Py_ssize_t count) {
  PyObject* data = arguments[1];
  if (PyBytes_Check(data))
    return said({PyBytes_AS_STRING(data), static_cast<std::size_t>(PyBytes_GET_SIZE(data))});
  const auto text_at = [&](Py_ssize_t at) {
    return count > at ? static_cast<std::string>(py::str(arguments[at])) : std::string();
  };
  return refused(text_at(2), text_at(3), py::handle(count > 4 ? arguments[4] : Py_None));
}

PyObject* answer(PyObject* door, PyObject* const* arguments, Py_ssize_t count) {
  if (count < 2 || count > kArguments)
    return PyErr_Format(PyExc_TypeError, "answer takes 2 to %zd arguments, got %zd", kArguments,
                        count);
  const std::uint64_t number = PyLong_AsUnsignedLongLong(arguments[0]);
  if (PyErr_Occurred() != nullptr) return nullptr;
  Bridge* bridge = Core::behind(door).bridge;
  if (bridge == nullptr) Py_RETURN_NONE;
  try {
    bridge->answer(number, result_of(arguments, count));
  } catch (py::error_already_set& error) {
    error.restore();
    return nullptr;
  }
  Py_RETURN_NONE;
}

}  // namespace

py::object make_answer(const Core& core) {
  static PyMethodDef definition = {
      "answer", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(answer)), METH_FASTCALL,
      nullptr};
  PyObject* made = PyCFunction_NewEx(&definition, core.door().ptr(), nullptr);
  if (made == nullptr) throw py::error_already_set();
  return py::reinterpret_steal<py::object>(made);
}

}  // namespace ringcast::bindings
