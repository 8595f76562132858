#include "bindings/callers.hpp"

#include <chrono>
#include <utility>

#include "auth/identity.hpp"
#include "bindings/refused.hpp"
#include "message/json.hpp"
#include "message/names.hpp"

namespace py = pybind11;

namespace ringcast::bindings {

namespace {

CallCode code_of(std::string_view code) {
  if (const auto errc = errc_of(code)) return *errc;
  if (check_own_code(code)) return std::string(code);
  return Errc::internal;
}

// Rooms that a caller had joined; immutable, so any thread may look.
struct Rooms {
  std::shared_ptr<const RoomSet> set;
};

const std::vector<std::string>& names(const Rooms& rooms) {
  static const std::vector<std::string> none;
  return rooms.set ? rooms.set->rooms() : none;
}

}  // namespace

Callers::Callers(Port& port, const Config& config, const Handlers& handlers)
    : port_(port),
      ledger_(config.app, handlers),
      open_(config.app.calls_max * config.engine.shards) {}

std::optional<Callers::Asked> Callers::take(CallMail&& call) {
  CallLedger::Admission admission = ledger_.admit(call, clock_.now());
  if (std::holds_alternative<CallLedger::Wait>(admission)) return std::nullopt;
  if (const auto* known = std::get_if<CallResult>(&admission)) {
    send(call.caller, *known);
    return std::nullopt;
  }
  const ReplyTo caller = call.caller;
  const SlotId id = open_.emplace(std::move(call));
  if (!id) {
    send(caller, CallError{Errc::unavailable, "too many calls wait for the application", {}});
    return std::nullopt;
  }
  return Asked{number_of(id), std::get_if<CallMail>(open_.find(id))};
}

std::uint64_t Callers::take(const HookMail& hook) {
  if (hook.kind == HookKind::disconnect) return 0;
  const SlotId id = open_.emplace(hook.caller);
  if (id) return number_of(id);
  port_.answer(hook.caller.connection.shard,
               HookAnswerMail{hook.caller, Error{Errc::unavailable, "too many calls wait"}});
  return 0;
}

void Callers::answer(std::uint64_t number, CallResult result) {
  const SlotId id = slot_of(number);
  auto* open = open_.find(id);
  const auto* call = open == nullptr ? nullptr : std::get_if<CallMail>(open);
  if (call == nullptr) return;
  send(call->caller, result);
  for (const ReplyTo& other : ledger_.finished(*call, result, clock_.now())) send(other, result);
  open_.erase(id);
}

void Callers::decide(std::uint64_t number, Result<std::shared_ptr<const Identity>> verdict) {
  const SlotId id = slot_of(number);
  auto* open = open_.find(id);
  const auto* asker = open == nullptr ? nullptr : std::get_if<ReplyTo>(open);
  if (asker == nullptr) return;
  port_.answer(asker->connection.shard, HookAnswerMail{*asker, std::move(verdict)});
  open_.erase(id);
}

void Callers::send(const ReplyTo& to, const CallResult& result) {
  port_.answer(to.connection.shard, CallAnswerMail{to, result});
}

void make_rooms_type(py::module_& module) {
  py::class_<Rooms>(module, "Rooms")
      .def("__contains__",
           [](const Rooms& rooms, std::string_view room) {
             return rooms.set && rooms.set->contains(room);
           })
      .def("__len__", [](const Rooms& rooms) { return names(rooms).size(); })
      .def("__iter__", [](const Rooms& rooms) {
        py::list list;
        for (const std::string& room : names(rooms)) list.append(py::str(room));
        return py::iter(list);
      });
}

py::object rooms_of(const std::shared_ptr<const RoomSet>& rooms) { return py::cast(Rooms{rooms}); }

CallResult said(std::string_view data) {
  auto payload = check_payload(data, JsonShape::any, "the answer");
  if (payload) return std::move(*payload);
  return CallError{Errc::internal, "the application failed", {}};
}

CallResult refused(std::string_view code, std::string message, py::handle fields) {
  CallError error{code_of(code), std::move(message), {}};
  if (!fields.is_none())
    for (const auto& [name, problem] : py::dict(py::reinterpret_borrow<py::object>(fields)))
      error.fields.push_back({py::str(name), py::str(problem)});
  return error;
}

Result<std::shared_ptr<const Identity>> verdict_of(const py::object& identity,
                                                   std::string_view code, std::string message) {
  // What a hook refuses has the engine's codes alone: its HTTP status goes by them.
  if (!code.empty())
    return {code_of(code).of_engine().value_or(Errc::forbidden), std::move(message)};
  if (identity.is_none()) return std::shared_ptr<const Identity>();
  auto made = std::make_shared<Identity>();
  made->user = py::str(identity.attr("user"));
  if (auto good = check_part(made->user, "user"); !good) return good.error();
  for (const Verb verb : {Verb::subscribe, Verb::publish, Verb::presence}) {
    const std::string name(verb_name(verb));
    const py::object patterns = identity.attr(name.c_str());
    for (const py::handle pattern : patterns)
      if (auto added = made->grants.add(verb, std::string(py::str(pattern))); !added)
        return added.error();
  }
  const py::object expires = identity.attr("expires");
  if (!expires.is_none())
    made->expires_at = WallTime(std::chrono::microseconds(
        static_cast<std::int64_t>(expires.attr("timestamp")().cast<double>() * 1e6)));
  return std::shared_ptr<const Identity>(std::move(made));
}

RateLimit rate_of(const py::object& rate) {
  if (rate.is_none()) return {};
  const auto parts = py::tuple(rate);
  const auto calls = parts[0].cast<std::uint32_t>();
  const auto window =
      std::chrono::duration_cast<Nanos>(std::chrono::duration<double>(parts[1].cast<double>()));
  return parts[2].cast<std::string>() == "bucket" ? RateLimit::bucket(calls, window)
                                                  : RateLimit::sliding(calls, window);
}

}  // namespace ringcast::bindings
