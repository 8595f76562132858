// The module ringcast._core: conversion only. Its types are in python/ringcast/_core.pyi.
#include <fmt/format.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <chrono>
#include <optional>
#include <utility>

#include "bindings/answer_call.hpp"
#include "bindings/core.hpp"
#include "bindings/publish_call.hpp"
#include "bindings/refused.hpp"
#include "bindings/sqlite_driver.hpp"
#include "message/names.hpp"
#include "store/sqlite_store.hpp"

namespace py = pybind11;

namespace ringcast::bindings {

namespace {

template <class T>
T value_of(Result<T> result) {
  if (!result) throw Refused(result.error());
  return std::move(*result);
}

using PlainPosition = std::pair<std::string, std::uint64_t>;  // epoch and offset

void checked(const Result<void>& result) {
  if (!result) throw Refused(result.error());
}

bool drain(Core& core, std::size_t messages, double seconds) {
  return core.bridge().drain(
      messages, std::chrono::duration_cast<Nanos>(std::chrono::duration<double>(seconds)));
}

std::uint64_t subscribe(Core& core, std::string_view room,
                        const std::optional<PlainPosition>& recover, py::object sink) {
  std::optional<Position> from;
  if (recover) from = Position{recover->first, recover->second};
  return value_of(core.bridge().subscribe(room, std::move(from), std::move(sink)));
}

// As the server API: an entry at least, limits.page_max at most.
void check_page(const Core& core, std::uint32_t limit) {
  const std::uint32_t max = core.config().limits.page_max;
  if (limit >= 1 && limit <= max) return;
  throw Refused(Error{Errc::validation,
                      fmt::format("limit: is {}, expected 1 to {} (limits.page_max)", limit, max)});
}

void viewers(Core& core, std::uint64_t tag, std::string_view room, std::string_view after,
             std::uint32_t limit) {
  check_page(core, limit);
  checked(core.bridge().list_viewers(room, after, limit, tag));
}

void administer(Core& core, std::uint64_t tag, AdminAsk ask) {
  checked(core.bridge().administer(std::move(ask), tag));
}

void history(Core& core, std::uint64_t tag, std::string room, std::optional<PlainPosition> after,
             std::uint32_t limit) {
  checked(check_room(room));
  check_page(core, limit);
  HistoryAsk ask{std::move(room), std::nullopt, limit};
  if (after) ask.after = Position{std::move(after->first), after->second};
  administer(core, tag, std::move(ask));
}

void rooms(Core& core, std::uint64_t tag, std::string prefix, std::string after,
           std::uint32_t limit) {
  check_page(core, limit);
  administer(core, tag, RoomsAsk{std::move(prefix), std::move(after), limit});
}

void kick(Core& core, std::uint64_t tag, std::string user, std::string room) {
  if (!room.empty()) checked(check_room(room));
  administer(core, tag, KickAsk{std::move(user), std::move(room)});
}

std::uint32_t add_call(Core& core, std::string_view event, const py::object& rate,
                       const py::object& user_rate) {
  return value_of(core.handlers().add_call(event, rate_of(rate), rate_of(user_rate))).value;
}

std::uint32_t add_authorize(Core& core, std::string_view pattern) {
  return value_of(core.handlers().add_authorize(pattern)).value;
}

std::uint32_t add_hook(Core& core, std::string_view kind) {
  for (const HookKind each : {HookKind::session_token, HookKind::connect, HookKind::disconnect})
    if (hook_name(each) == kind) return value_of(core.handlers().add_hook(each)).value;
  throw Refused(Error{Errc::validation, "kind: there is no such hook"});
}

void decide(Core& core, std::uint64_t number, const py::object& identity, std::string_view code,
            std::string message) {
  auto verdict = verdict_of(identity, code, std::move(message));
  // A no is an answer; an Identity that can not be is a mistake of the application.
  if (code.empty() && !verdict) throw Refused(verdict.error());
  core.bridge().decide(number, std::move(verdict));
}

// Empty: the store is no file of SQLite's.
std::string store_file(const Core& core) {
  const auto path = sqlite_path(core.config().store.url);
  return path ? *path : std::string();
}

}  // namespace

}  // namespace ringcast::bindings

// Without the GIL the engine's port would need a lock, which nothing here has: a free-threaded
// Python turns the GIL on when it loads this module.
PYBIND11_MODULE(_core, module) {
  using namespace ringcast::bindings;
  module.attr("__version__") = RINGCAST_VERSION;
  make_refused(module);
  make_rooms_type(module);
  module.def("foreign_sqlite", &foreign_sqlite, py::arg("connection"));
  py::class_<Core>(module, "Core")
      .def(py::init<std::vector<std::string>, const std::string&>(), py::arg("settings"),
           py::arg("file") = "")
      .def("start", &Core::start, py::arg("owner"))
      .def_property_readonly("listen",
                             [](const Core& core) { return core.config().listen.address; })
      .def_property_readonly("store_file", &store_file)
      .def_property_readonly("running", &Core::running)
      .def("fd", [](const Core& core) { return core.bridge().fd(); })
      .def("drain", &drain, py::arg("messages"), py::arg("seconds"))
      .def("flush", [](const Core& core) { core.bridge().flush(); })
      .def("publish_nowait", &make_publish_nowait, py::arg("refusal"), py::arg("encode"))
      .def("publish_tagged", &make_publish_tagged, py::arg("refusal"), py::arg("encode"))
      .def("subscribe", &subscribe, py::arg("room"), py::arg("recover"), py::arg("sink"))
      .def(
          "unsubscribe", [](const Core& core, std::uint64_t id) { core.bridge().unsubscribe(id); },
          py::arg("id"))
      .def("viewers", &viewers, py::arg("tag"), py::arg("room"), py::arg("after"), py::arg("limit"))
      .def("history", &history, py::arg("tag"), py::arg("room"), py::arg("after"), py::arg("limit"))
      .def("rooms", &rooms, py::arg("tag"), py::arg("prefix"), py::arg("after"), py::arg("limit"))
      .def("kick", &kick, py::arg("tag"), py::arg("user"), py::arg("room"))
      .def("add_call", &add_call, py::arg("event"), py::arg("rate"), py::arg("user_rate"))
      .def("add_authorize", &add_authorize, py::arg("pattern"))
      .def("add_hook", &add_hook, py::arg("kind"))
      .def_property_readonly("answer", &make_answer)
      .def("decide", &decide, py::arg("number"), py::arg("identity"), py::arg("code"),
           py::arg("message"))
      .def("log_fd", &Core::log_fd)
      .def("take_log", &Core::take_log, py::arg("max"))
      .def("request_stop", &Core::request_stop, py::arg("restart"))
      .def("join", &Core::join)
      .def("release", &Core::release)
      .def("stop", &Core::stop)
      .def_property_readonly("forked", &Core::forked);
}
