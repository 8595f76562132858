// base64url without padding (RFC 4648 section 5, RFC 7515 section 2).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace ringcast {

// The octets, or nothing: padding, white space, the characters of plain base64, an impossible
// length and bits set behind the last octet are refused, so that one value has exactly one text
// and a token can not be varied without breaking its signature. Thread: any.
[[nodiscard]] std::optional<std::string> decode_base64url(std::string_view text);

[[nodiscard]] std::string encode_base64url(std::string_view octets);

}  // namespace ringcast
