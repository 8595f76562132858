#include "pg/snapshot.hpp"

#include <charconv>
#include <string>

namespace ringcast::pg {

Result<Snapshot> parse_snapshot(std::string_view text) {
  Snapshot snapshot;
  const char* const end = text.data() + text.size();
  const auto low = std::from_chars(text.data(), end, snapshot.xmin);
  if (low.ec == std::errc{} && low.ptr != end && *low.ptr == ':') {
    const auto high = std::from_chars(low.ptr + 1, end, snapshot.xmax);
    if (high.ec == std::errc{} && high.ptr != end && *high.ptr == ':' &&
        snapshot.xmin <= snapshot.xmax)
      return snapshot;
  }
  return Error{Errc::validation, "not a pg_snapshot: " + std::string(text.substr(0, 60))};
}

}  // namespace ringcast::pg
