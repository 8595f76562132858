// ensure(): our own mistakes stop the process. What a peer sends is never an assertion.
#pragma once

#include <source_location>

namespace ringcast {

[[noreturn]] void ensure_failed(const char* what, const std::source_location& where);

// Thread: any. Always on, in every build: a broken invariant must not deliver anything.
inline void ensure(bool holds, const char* what,
                   const std::source_location where = std::source_location::current()) {
  if (!holds) [[unlikely]]
    ensure_failed(what, where);
}

}  // namespace ringcast
