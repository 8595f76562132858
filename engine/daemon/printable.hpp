// Text of others for a terminal.
#pragma once

#include <string>
#include <string_view>

namespace ringcast {

// `text` with its control characters (C0, DEL, C1) as \u00XX, so that nobody's data moves the
// cursor or forges a line. JSON stays JSON with the same value. Thread: any.
[[nodiscard]] std::string printable(std::string_view text);

}  // namespace ringcast
