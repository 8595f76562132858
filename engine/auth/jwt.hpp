// Tokens: from the text that a client shows to the identity that it has (RFC 7519, RFC 8725).
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "auth/identity.hpp"
#include "auth/keys.hpp"
#include "base/clock.hpp"
#include "base/result.hpp"
#include "message/close_reason.hpp"

namespace ringcast {

// What a token must say besides being signed.
struct JwtRules {
  std::string audience;  // must be among `aud`; empty: not checked
  std::string issuer;    // must be `iss`; empty: not checked
  std::chrono::seconds leeway{30};
};

// Checks tokens against the daemon's keys and rules.
//
// Thread: any (immutable; verify() holds no lock and opens nothing). Lives as long as the engine.
// A token has at most kTokenBytesMax octets and grants at most Grants::kGrantsMax patterns; beyond
// either it is refused.
class JwtVerifier final {
 public:
  JwtVerifier(KeySet keys, JwtRules rules) : keys_(std::move(keys)), rules_(std::move(rules)) {}

  // The signature first, then `exp`, `nbf`, `iat`, `aud`, `iss`, then `sub` (a legal part of a
  // name) and `rooms` (lists of patterns under subscribe, publish and presence and nothing else;
  // one pattern that is not legal refuses the token). Claims it does not know are ignored.
  //
  // The error is Errc::unauthorized; its detail, "token refused: ..." or "token expired: ...", says
  // for the log which rule was broken. Clients get terse_token_text() of it.
  [[nodiscard]] Result<Identity> verify(std::string_view token, WallTime now) const;

  // False: there is no key, so that every token is refused.
  [[nodiscard]] bool has_keys() const { return !keys_.empty(); }

 private:
  KeySet keys_;
  JwtRules rules_;
};

// What a client may know of an error of verify(): "token expired" or "token refused".
[[nodiscard]] std::string_view terse_token_text(const Error& error);

// The same for the end of a connection: token_expired or token_refused.
[[nodiscard]] CloseReason token_close_reason(const Error& error);

}  // namespace ringcast
