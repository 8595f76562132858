// Places at which a test makes the process end as a crash would. Only in builds with the option
// RINGCAST_FAILPOINTS; of others nothing is left.
#pragma once

#include <string_view>

namespace ringcast {

inline constexpr bool kFailpoints = RINGCAST_FAILPOINTS != 0;

// Aborts at the Nth time that a thread comes to `name` if the environment says
// RINGCAST_FAILPOINT=name:abort@N, and where `data` holds TEXT if it says name:abort~TEXT.
// Thread: any.
void hit_failpoint(std::string_view name, std::string_view data);

inline void failpoint(std::string_view name, std::string_view data = {}) {
  if constexpr (kFailpoints) hit_failpoint(name, data);
}

}  // namespace ringcast
