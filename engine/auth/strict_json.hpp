// JSON in which no key stands twice in an object.
#pragma once

#include <simdjson.h>

#include <string_view>

#include "base/result.hpp"

namespace ringcast {

// Parses `text` whole into an object, at most 16 levels deep. Two readers of a token must not see
// different claims, and with a key twice one takes the first and another the last (RFC 7515 section
// 4, RFC 7519 section 4 let us refuse it).
//
// The result is good until the next call on the same thread. The error is Errc::unauthorized and
// begins with `what`. Thread: any (a parser each).
[[nodiscard]] Result<simdjson::dom::object> parse_strict_object(std::string_view text,
                                                                std::string_view what);

}  // namespace ringcast
