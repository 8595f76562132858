// The keys of the server API, and the header that carries one.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace ringcast {

// The credentials of `Authorization: Bearer CREDENTIALS` (RFC 6750 section 2.1, RFC 9110 section
// 11.4): the scheme in any case, one or more spaces, then token68. Nothing: another scheme, or
// credentials with other characters. The view points into `header_value`. Thread: any.
[[nodiscard]] std::optional<std::string_view> bearer_credentials(std::string_view header_value);

// The configured API keys, held as SHA-256 digests: what is compared has one length whatever a
// client sends, and a core dump does not hold the keys.
//
// Thread: filled at start-up, then any (immutable). Lives as long as the engine. Holds at most
// kApiKeysMax keys of 1 to kApiKeyBytesMax octets; add() is an error beyond either.
class ApiKeys final {
 public:
  static constexpr std::size_t kApiKeysMax = 64;
  static constexpr std::size_t kApiKeyBytesMax = 256;

  // `key` must be sendable in a Bearer header (token68).
  Result<void> add(std::string_view key);

  // Takes the same time whichever key it is, and whether it is one.
  [[nodiscard]] bool contains(std::string_view key) const;

  [[nodiscard]] bool empty() const { return digests_.empty(); }

 private:
  using Digest = std::array<std::uint8_t, 32>;
  std::vector<Digest> digests_;
};

}  // namespace ringcast
