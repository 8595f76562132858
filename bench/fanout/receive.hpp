// What clients ask costs the server.
#pragma once

#include <string>

#include "base/result.hpp"
#include "question.hpp"

namespace ringcast::bench {

// Prints a table and gives a JSON list: publishes into an empty room and subscribe-unsubscribe
// pairs, 16 in one read, beside a bare ring that receives as many octets and sends as many back;
// pings of idle connections beside a bare ring's. Error if an answer is missing or a refusal.
Result<std::string> receive(const Settings& settings);

}  // namespace ringcast::bench
