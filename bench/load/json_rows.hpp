// Payloads as applications have them.
#pragma once

#include <string>

namespace ringcast::bench {

// A JSON array of rows with ids, words, numbers and times, of exactly `bytes` octets; the same for
// the same seed. At least 8. Thread: any.
std::string json_rows(std::size_t bytes, unsigned seed);

}  // namespace ringcast::bench
