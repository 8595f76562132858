#include "bindings/publish_call.hpp"

#include <array>
#include <optional>
#include <string_view>

#include "bindings/bridge.hpp"

namespace py = pybind11;

namespace ringcast::bindings {

namespace {

enum At : std::size_t { kRoom, kData, kEvent, kId, kKey, kExcludeUser, kIdempotencyKey, kCount };
constexpr std::size_t kPositional = 2;
constexpr std::array<const char*, kCount> kNames = {"room", "data",         "event",          "id",
                                                    "key",  "exclude_user", "idempotency_key"};
constexpr std::string_view kEventDefault = "message";

// Interned, as the names in a call that is compiled.
const std::array<PyObject*, kCount>& names() {
  static const std::array<PyObject*, kCount> made = [] {
    std::array<PyObject*, kCount> each{};
    for (std::size_t i = 0; i < kCount; ++i) each[i] = PyUnicode_InternFromString(kNames[i]);
    return each;
  }();
  return made;
}

// What a call has given, borrowed from it; null: nothing.
using Given = std::array<PyObject*, kCount>;

// What stands behind the functions: references that Python's collector sees.
enum Behind : Py_ssize_t { kDoor, kRefusal, kEncode };

std::optional<std::size_t> place_of(PyObject* name) {
  for (std::size_t i = 0; i < kCount; ++i)
    if (names()[i] == name) return i;
  for (std::size_t i = 0; i < kCount; ++i)
    if (PyUnicode_Compare(names()[i], name) == 0) return i;
  return std::nullopt;
}

// False, with TypeError set, for a call that Python would refuse.
bool take(Given& given, PyObject* const* arguments, std::size_t count, PyObject* keywords) {
  if (count > kPositional) {
    PyErr_Format(PyExc_TypeError, "publish takes room and data by position, got %zu arguments",
                 count);
    return false;
  }
  for (std::size_t i = 0; i < count; ++i) given[i] = arguments[i];
  const Py_ssize_t named = keywords == nullptr ? 0 : PyTuple_GET_SIZE(keywords);
  for (Py_ssize_t i = 0; i < named; ++i) {
    PyObject* name = PyTuple_GET_ITEM(keywords, i);
    const auto at = place_of(name);
    if (!at || given[*at] != nullptr) {
      PyErr_Format(PyExc_TypeError,
                   at ? "publish got multiple values for argument %R"
                      : "publish got an unexpected keyword argument %R",
                   name);
      return false;
    }
    given[*at] = arguments[count + static_cast<std::size_t>(i)];
  }
  if (given[kRoom] != nullptr) return true;
  PyErr_SetString(PyExc_TypeError, "publish misses the argument 'room'");
  return false;
}

bool wrong_type(const char* name, const char* expected, PyObject* got) {
  PyErr_Format(PyExc_TypeError, "%s: expected %s, got %.100s", name, expected,
               Py_TYPE(got)->tp_name);
  return false;
}

bool read_text(const Given& given, At at, std::string_view& to) {
  PyObject* value = given[at];
  const bool optional = at > kEvent;
  if (optional && value == Py_None) return true;
  if (!PyUnicode_Check(value))
    return wrong_type(kNames[at], optional ? "str or None" : "str", value);
  Py_ssize_t size = 0;
  const char* text = PyUnicode_AsUTF8AndSize(value, &size);
  if (text == nullptr) return false;
  to = {text, static_cast<std::size_t>(size)};
  return true;
}

// `encoded` keeps what the views of the result look at.
std::optional<Publication> publication_of(const Given& given, PyObject* encode,
                                          py::object& encoded) {
  PyObject* data = given[kData];
  if (data == nullptr || !PyBytes_Check(data)) {
    data = PyObject_CallOneArg(encode, data == nullptr ? Py_None : data);
    if (data == nullptr) return std::nullopt;
    encoded = py::reinterpret_steal<py::object>(data);
    if (!PyBytes_Check(data)) return wrong_type("data", "bytes", data), std::nullopt;
  }
  Publication made;
  made.event = kEventDefault;
  made.data = {PyBytes_AS_STRING(data), static_cast<std::size_t>(PyBytes_GET_SIZE(data))};
  const auto read = [&given](At at, std::string_view& to) {
    return given[at] == nullptr || read_text(given, at, to);
  };
  const bool good = read(kRoom, made.room) && read(kEvent, made.event) && read(kId, made.id) &&
                    read(kKey, made.key) && read(kExcludeUser, made.exclude_user) &&
                    read(kIdempotencyKey, made.idempotency_key);
  if (!good) return std::nullopt;
  return made;
}

// Without a code: the queue is full.
PyObject* refuse(PyObject* behind, std::string_view why, const std::string& text) {
  const py::str code(why);
  const py::str detail(text);
  PyObject* made = PyObject_CallFunctionObjArgs(PyTuple_GET_ITEM(behind, kRefusal), code.ptr(),
                                                detail.ptr(), nullptr);
  if (made == nullptr) return nullptr;
  PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(made)), made);
  Py_DECREF(made);
  return nullptr;
}

PyObject* publish(PyObject* behind, const Given& given, std::uint64_t tag) {
  py::object encoded;
  const auto ask = publication_of(given, PyTuple_GET_ITEM(behind, kEncode), encoded);
  if (!ask) return nullptr;
  // Not before: encode() is Python, in which an engine may end.
  const Core::Door& door = Core::behind(PyTuple_GET_ITEM(behind, kDoor));
  if (door.bridge == nullptr || door.closes)
    return refuse(behind, error_code(Errc::unavailable).code, "the engine does not run");
  const auto sent = door.bridge->publish(*ask, tag);
  if (!sent) return refuse(behind, error_code(sent.error().code).code, sent.error().detail);
  if (*sent == Asked::full) return refuse(behind, {}, {});
  Py_RETURN_NONE;
}

PyObject* publish_nowait(PyObject* behind, PyObject* const* arguments, Py_ssize_t count,
                         PyObject* keywords) {
  Given given{};
  if (!take(given, arguments, static_cast<std::size_t>(count), keywords)) return nullptr;
  return publish(behind, given, ReplyTo::kErrorsOnly);
}

PyObject* publish_tagged(PyObject* behind, PyObject* const* arguments, Py_ssize_t count,
                         PyObject* keywords) {
  Given given{};
  if (count == 0) {
    PyErr_SetString(PyExc_TypeError, "publish misses its tag");
    return nullptr;
  }
  const std::uint64_t tag = PyLong_AsUnsignedLongLong(arguments[0]);
  if (PyErr_Occurred() != nullptr) return nullptr;
  if (!take(given, arguments + 1, static_cast<std::size_t>(count - 1), keywords)) return nullptr;
  return publish(behind, given, tag);
}

py::object function(PyMethodDef& definition, const Core& core, const py::object& refusal,
                    const py::object& encode) {
  PyObject* behind = py::make_tuple(core.door(), refusal, encode).release().ptr();
  PyObject* made = PyCFunction_NewEx(&definition, behind, nullptr);
  Py_DECREF(behind);
  if (made == nullptr) throw py::error_already_set();
  return py::reinterpret_steal<py::object>(made);
}

template <class Function>
PyCFunction with_keywords(Function* call) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(call));
}

}  // namespace

py::object make_publish_nowait(const Core& core, const py::object& refusal,
                               const py::object& encode) {
  static PyMethodDef definition = {
      "publish_nowait", with_keywords(publish_nowait), METH_FASTCALL | METH_KEYWORDS,
      "publish_nowait(room, data=None, *, event='message', id=None, key=None, exclude_user=None,"
      " idempotency_key=None)\n--\n\nQueues it, in the order of the calls; Full where there is no"
      " room. What the engine refuses later is counted and logged."};
  return function(definition, core, refusal, encode);
}

py::object make_publish_tagged(const Core& core, const py::object& refusal,
                               const py::object& encode) {
  static PyMethodDef definition = {"publish_tagged", with_keywords(publish_tagged),
                                   METH_FASTCALL | METH_KEYWORDS, nullptr};
  return function(definition, core, refusal, encode);
}

}  // namespace ringcast::bindings
