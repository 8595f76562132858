// RFC 3339 timestamps in UTC.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/clock.hpp"

namespace ringcast {

// "2026-01-02T03:04:05.678901Z", always with six digits.
void append_timestamp(std::string& out, WallTime time);
[[nodiscard]] std::string timestamp(WallTime time);

// RFC 3339 section 5.6 with any offset, years 0001-9999; also SQLite's "YYYY-MM-DD HH:MM:SS[.fff]",
// which is UTC. Leap seconds (":60") are taken as the following second. More than six digits of a
// second are cut.
[[nodiscard]] std::optional<WallTime> parse_timestamp(std::string_view text);

}  // namespace ringcast
