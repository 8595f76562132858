// The version that `--version` prints; a test compares it with CMakeLists.txt.
#pragma once

#include <string_view>

namespace ringcast {

inline constexpr std::string_view kVersion = "0.1.0";

}  // namespace ringcast
