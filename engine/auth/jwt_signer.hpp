// Tokens as an application's backend makes them: for `ringcast token` and for trying things out.
#pragma once

#include <string>
#include <string_view>

#include "auth/grants.hpp"
#include "base/clock.hpp"
#include "base/result.hpp"

namespace ringcast {

struct TokenClaims {
  std::string user;  // sub
  Grants grants;     // rooms
  WallTime issued_at{};
  WallTime expires_at{};
  std::string audience;  // empty: no aud
  std::string issuer;    // empty: no iss
};

// A JWT signed with HS256 (RFC 7515 section 3.1, RFC 7518 section 3.2) such as JwtVerifier takes
// with the same secret. Errors: a secret of less than 32 octets, a user that is no part of a name,
// audience or issuer that are not UTF-8, a token that is longer than kTokenBytesMax; the secret is
// never in them. Thread: any.
[[nodiscard]] Result<std::string> sign_token(std::string_view secret, const TokenClaims& claims);

}  // namespace ringcast
