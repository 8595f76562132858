// Who calls, as a handler of Python sees it, without a conversion of anything until it looks.
#pragma once

#include <pybind11/pybind11.h>

#include "message/call_mail.hpp"

namespace ringcast::bindings {

// Makes the type `ringcast._core.Context`, a subclass of `ringcast._context.Context` that holds
// what came with a call, or a question about a connection, and converts each attribute when it is
// asked for. Called once, before the first context_of(). Thread: any that holds the GIL, as for all
// here.
void make_context_type();

// `event` is the str that all calls of a handler share. An error is an exception (no memory).
[[nodiscard]] pybind11::object context_of(const CallMail& call, const pybind11::object& event);
[[nodiscard]] pybind11::object context_of(const HookMail& hook);

}  // namespace ringcast::bindings
