#include "bindings/sqlite_driver.hpp"

#include <dlfcn.h>

#include <memory>

#include "store/sqlite_library.hpp"

namespace ringcast::bindings {

namespace {

// A class made in Python has the code of the interpreter; the one it is made of, that of its
// module.
const PyTypeObject* below_python(const PyTypeObject* type) {
  while (type->tp_base != nullptr && type->tp_base != &PyBaseObject_Type) type = type->tp_base;
  return type;
}

struct Close {
  void operator()(void* module) const { ::dlclose(module); }
};

// What the module calls: its own, or that of a library it needs. One that keeps its own to itself
// has none to be found.
const void* sqlite_of(const char* file) {
  std::unique_ptr<void, Close> module(::dlopen(file, RTLD_NOLOAD | RTLD_LAZY));
  // The program itself can not be opened by its name.
  if (!module) module.reset(::dlopen(nullptr, RTLD_LAZY));
  return module ? ::dlsym(module.get(), kSqliteSymbol) : nullptr;
}

}  // namespace

std::optional<std::string> foreign_sqlite(const pybind11::type& connection) {
  const auto* type = below_python(reinterpret_cast<const PyTypeObject*>(connection.ptr()));
  Dl_info found{};
  if (::dladdr(reinterpret_cast<const void*>(type->tp_dealloc), &found) == 0) return std::nullopt;
  if (sqlite_of(found.dli_fname) == sqlite_library()) return std::nullopt;
  return found.dli_fname;
}

}  // namespace ringcast::bindings
