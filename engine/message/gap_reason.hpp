// Why something is missing for a subscriber.
#pragma once

#include <cstdint>
#include <string_view>

namespace ringcast {

enum class GapReason : std::uint8_t { overflow, expired, conflated, shard };

// As clients read it.
[[nodiscard]] constexpr std::string_view gap_reason_name(GapReason reason) {
  switch (reason) {
    case GapReason::overflow:
      return "overflow";
    case GapReason::expired:
      return "expired";
    case GapReason::conflated:
      return "conflated";
    case GapReason::shard:
      return "shard";
  }
  return "shard";
}

}  // namespace ringcast
