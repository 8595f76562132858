// The module ringcast._core: conversion only. Its types are in python/ringcast/_core.pyi.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "bindings/core.hpp"
#include "bindings/refused.hpp"

namespace py = pybind11;

namespace ringcast::bindings {

namespace {

void raise(const py::object& type, const Refused& refused) {
  py::object fields = py::none();
  if (!refused.problems().empty()) {
    py::dict each;
    for (const ConfigProblem& problem : refused.problems())
      each[py::str(problem.where)] = problem.what;
    fields = std::move(each);
  }
  const std::string_view code = error_code(refused.error().code).code;
  const py::tuple arguments = py::make_tuple(code, refused.error().detail, fields);
  PyErr_SetObject(type.ptr(), arguments.ptr());
}

}  // namespace

}  // namespace ringcast::bindings

PYBIND11_MODULE(_core, module, py::mod_gil_not_used()) {
  using namespace ringcast::bindings;
  module.attr("__version__") = RINGCAST_VERSION;
  PYBIND11_CONSTINIT static py::gil_safe_call_once_and_store<py::object> refused;
  refused.call_once_and_store_result(
      [&] { return py::exception<Refused>(module, "Refused", PyExc_Exception); });
  py::register_exception_translator([](std::exception_ptr thrown) {
    try {
      if (thrown) std::rethrow_exception(thrown);
    } catch (const Refused& error) {
      raise(refused.get_stored(), error);
    }
  });
  py::class_<Core>(module, "Core")
      .def(py::init<std::vector<std::string>>(), py::arg("settings"))
      .def("start", &Core::start)
      .def("stop", &Core::stop, py::arg("restart") = false)
      .def("forget", &Core::forget)
      .def_property_readonly("running", &Core::running);
}
