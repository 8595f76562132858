// How an Error crosses into Python.
#pragma once

#include <pybind11/pybind11.h>

#include <exception>
#include <string>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "config/load.hpp"

namespace ringcast::bindings {

// Becomes `ringcast._core.Refused(code, detail, fields)`, `fields` a dict of what each field has
// wrong, or None; the Python face turns it into its own classes.
//
// Thread: any that holds the GIL.
class Refused final : public std::exception {
 public:
  explicit Refused(Error error) : error_(std::move(error)) {}
  explicit Refused(std::vector<ConfigProblem> problems)
      : error_{Errc::validation, to_text(problems)}, problems_(std::move(problems)) {}
  [[nodiscard]] const Error& error() const { return error_; }
  [[nodiscard]] const std::vector<ConfigProblem>& problems() const { return problems_; }
  [[nodiscard]] const char* what() const noexcept override { return error_.detail.c_str(); }

 private:
  Error error_;
  std::vector<ConfigProblem> problems_;
};

// Makes the class, and lets pybind11 turn what is thrown into it. Once, by the module.
void make_refused(pybind11::module_& module);
// Sets the exception of the interpreter.
void raise(const Refused& refused);

}  // namespace ringcast::bindings
