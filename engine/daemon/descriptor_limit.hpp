// How many descriptors the process may have open (RLIMIT_NOFILE).
#pragma once

#include <cstdint>

#include "config/config.hpp"

namespace ringcast {

// Raises the soft limit to the hard one, which needs no privilege, and returns it. Thread:
// start-up.
std::uint64_t raise_descriptor_limit();

// What the configured connections need, with listeners, rings and the store.
[[nodiscard]] std::uint64_t descriptors_needed(const Config& config, std::uint32_t shards);

}  // namespace ringcast
