// Signed JSON in compact form: RFC 7515.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "auth/keys.hpp"
#include "base/result.hpp"

namespace ringcast {

inline constexpr std::size_t kTokenBytesMax = 8'192;

// The payload of `token` if one of `keys` signed it. Checked in this order, so that the cheap part
// comes first: length, three parts of strict base64url, the header (RFC 7515 section 4; an object
// without a key twice, a known `alg`, no `crit`), a key that fits, the signature. Keys and
// addresses that a header may carry (jwk, jku, x5u) are never looked at.
//
// The error is Errc::unauthorized with a sentence for the log. Thread: any.
[[nodiscard]] Result<std::string> verify_jws(std::string_view token, const KeySet& keys);

}  // namespace ringcast
