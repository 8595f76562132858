// What subscribers that never read cost the others.
#pragma once

#include <string>

#include "base/result.hpp"
#include "question.hpp"

namespace ringcast::bench {

// For each slow_policy: 20 subscribers of a room alone, and the same with 20 more that never read,
// taking turns. Prints a table; the result is JSON. An error if one of the 20 that read lost an
// event, or if nobody was slow.
Result<std::string> slow(const Settings& settings);

}  // namespace ringcast::bench
