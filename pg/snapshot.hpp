// The numbers of a pg_snapshot that the reader reasons with.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.hpp"

namespace ringcast::pg {

// A full transaction number (xid8): never wraps.
using Xid = std::uint64_t;

struct Snapshot {
  Xid xmin = 0;  // every transaction below has ended
  Xid xmax = 0;  // no transaction from here on had ended
};

// Text form "xmin:xmax:xip,...". The server made it, but from a table that people can write to.
[[nodiscard]] Result<Snapshot> parse_snapshot(std::string_view text);

}  // namespace ringcast::pg
