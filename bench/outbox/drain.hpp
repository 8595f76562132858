// One drain of a backlog by a daemon of its own.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace ringcast::bench {

struct Drain {
  double rows_a_second = 0;
  double cpu_us_a_row = 0;      // the daemon's, all of its threads
  std::uint64_t delivered = 0;  // to the subscriber
};

// Starts `server` on the store and waits until it has handed `rows` rows to its rooms. The rate is
// that between the first look that saw rows and the first that saw all of them. With `subscribe`
// one client is in the room of one tenant; its events must come in order, up to the tenant's last.
Result<Drain> drain(const std::string& server, const std::string& store,
                    const std::vector<std::string>& arguments, std::uint64_t rows, bool subscribe);

}  // namespace ringcast::bench
