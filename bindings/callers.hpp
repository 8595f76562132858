// Calls of clients and questions about connections, between a port and Python's handlers.
#pragma once

#include <pybind11/pybind11.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/clock.hpp"
#include "base/slot_map.hpp"
#include "config/config.hpp"
#include "hub/call_ledger.hpp"
#include "hub/handlers.hpp"
#include "port.hpp"

namespace ringcast::bindings {

// Who waits for an answer of Python, by the number that Python answers under.
//
// Thread: whichever holds the GIL. Lives in a Bridge. Holds what the shards let through:
// app.calls_max for each of them; one more would be refused as unavailable. A second answer under
// one number is a no-op.
class Callers final {
 public:
  Callers(Port& port, const Config& config, const Handlers& handlers);

  struct Asked {
    std::uint64_t number = 0;  // to answer under
    const CallMail* call = nullptr;
  };
  // Nothing: it has its answer, or waits for that of the same call.
  [[nodiscard]] std::optional<Asked> take(CallMail&& call);
  // The number; 0: nobody waits for an answer.
  [[nodiscard]] std::uint64_t take(const HookMail& hook);

  void answer(std::uint64_t number, CallResult result);
  void decide(std::uint64_t number, Result<std::shared_ptr<const Identity>> verdict);

 private:
  void send(const ReplyTo& to, const CallResult& result);

  Port& port_;
  SystemClock clock_;
  CallLedger ledger_;
  SlotMap<std::variant<CallMail, ReplyTo>> open_;
};

// The rooms of a caller, as Python sees them: `ringcast._core.Rooms`, a set that does not change.
void make_rooms_type(pybind11::module_& module);
[[nodiscard]] pybind11::object rooms_of(const std::shared_ptr<const RoomSet>& rooms);

// What a handler has said: JSON text, or a code with message and fields (dict or None).
[[nodiscard]] CallResult said(std::string_view data);
[[nodiscard]] CallResult refused(std::string_view code, std::string message,
                                 pybind11::handle fields);
// What a hook has said: an Identity of Python (user, subscribe, publish, presence, expires), None
// for "as it is", or with a code: no.
[[nodiscard]] Result<std::shared_ptr<const Identity>> verdict_of(const pybind11::object& identity,
                                                                 std::string_view code,
                                                                 std::string message);
// (calls, seconds, "window" or "bucket"), or None.
[[nodiscard]] RateLimit rate_of(const pybind11::object& rate);

}  // namespace ringcast::bindings
