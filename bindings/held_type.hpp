// Classes of Python whose instances hold a value of C++.
#pragma once

#include <pybind11/pybind11.h>

#include <cstddef>
#include <cstring>
#include <initializer_list>
#include <new>
#include <string_view>
#include <utility>
#include <vector>

namespace ringcast::bindings {

// For attributes: a new str, or null with an exception set (no memory).
inline PyObject* text_of(std::string_view text) {
  return PyUnicode_FromStringAndSize(text.data(), static_cast<Py_ssize_t>(text.size()));
}
// What an attribute has made, or the null that it was.
inline pybind11::object own(PyObject* made) {
  return pybind11::reinterpret_steal<pybind11::object>(made);
}

// A subclass of a plain class with `__slots__` that holds a Value behind them. The slots stay
// empty: attributes of the same names come first, and are made of the Value when somebody asks.
//
// Thread: any that holds the GIL. Defined once, lives as long as the process. Memory of kSpareMax
// instances that are gone waits for those that come, as many as a turn brings; the rest goes back.
// Python's collector never hears of an instance: it refers to nothing that could refer back.
template <class Value>
class HeldType final {
 public:
  static constexpr std::size_t kSpareMax = 1024;

  // `name` and `attributes` are Python's from then on, so they are static.
  static void define(const char* name, const pybind11::object& base, PyGetSetDef* attributes,
                     std::initializer_list<PyType_Slot> more = {}) {
    const Py_ssize_t before = reinterpret_cast<PyTypeObject*>(base.ptr())->tp_basicsize;
    constexpr Py_ssize_t kAlign = alignof(Value);
    held_at_ = (before + kAlign - 1) / kAlign * kAlign;
    std::vector<PyType_Slot> slots = more;
    slots.push_back({Py_tp_getset, attributes});
    slots.push_back({Py_tp_dealloc, reinterpret_cast<void*>(dealloc)});
    slots.push_back({});
    PyType_Spec spec{name, static_cast<int>(held_at_ + Py_ssize_t{sizeof(Value)}), 0,
                     Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots.data()};
    PyObject* made = PyType_FromSpecWithBases(&spec, pybind11::make_tuple(base).ptr());
    if (made == nullptr) throw pybind11::error_already_set();
    type_ = reinterpret_cast<PyTypeObject*>(made);
    spare_.reserve(kSpareMax);
  }

  [[nodiscard]] static bool defined() { return type_ != nullptr; }
  [[nodiscard]] static pybind11::handle base() {
    return reinterpret_cast<PyObject*>(type_->tp_base);
  }

  // A new reference, or null with an exception set (no memory).
  [[nodiscard]] static PyObject* make(Value&& value) {
    PyObject* self = memory();
    if (self != nullptr) new (reinterpret_cast<char*>(self) + held_at_) Value(std::move(value));
    return self;
  }
  [[nodiscard]] static Value& of(PyObject* self) {
    return *std::launder(reinterpret_cast<Value*>(reinterpret_cast<char*>(self) + held_at_));
  }

 private:
  static PyObject* memory() {
    if (!spare_.empty()) {
      PyObject* self = PyObject_Init(spare_.back(), type_);
      spare_.pop_back();
      return self;
    }
    PyObject* self = PyObject_GC_New(PyObject, type_);
    if (self != nullptr)
      std::memset(reinterpret_cast<char*>(self) + sizeof(PyObject), 0,
                  static_cast<std::size_t>(held_at_) - sizeof(PyObject));
    return self;
  }

  static void dealloc(PyObject* self) {
    PyTypeObject* type = Py_TYPE(self);
    of(self).~Value();
    if (spare_.size() < kSpareMax)
      spare_.push_back(self);
    else
      PyObject_GC_Del(self);
    Py_DECREF(type);
  }

  inline static PyTypeObject* type_ = nullptr;
  inline static Py_ssize_t held_at_ = 0;
  inline static std::vector<PyObject*> spare_;
};

}  // namespace ringcast::bindings
