#include "bindings/refused.hpp"

#include <string_view>

namespace py = pybind11;

namespace ringcast::bindings {

namespace {

// The module's own reference keeps it for ever.
PyObject* refused_class = nullptr;

}  // namespace

void make_refused(py::module_& module) {
  refused_class = py::exception<Refused>(module, "Refused", PyExc_Exception).release().ptr();
  py::register_exception_translator([](std::exception_ptr thrown) {
    try {
      if (thrown) std::rethrow_exception(thrown);
    } catch (const Refused& error) {
      raise(error);
    }
  });
}

void raise(const Refused& refused) {
  py::object fields = py::none();
  if (!refused.problems().empty()) {
    py::dict each;
    for (const ConfigProblem& problem : refused.problems())
      each[py::str(problem.where)] = problem.what;
    fields = std::move(each);
  }
  const std::string_view code = error_code(refused.error().code).code;
  const py::tuple arguments = py::make_tuple(code, refused.error().detail, fields);
  PyErr_SetObject(refused_class, arguments.ptr());
}

}  // namespace ringcast::bindings
