#include "daemon/token_command.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>

#include "auth/jwt_signer.hpp"
#include "base/clock.hpp"
#include "daemon/exit_code.hpp"

namespace ringcast {

namespace {

Result<void> add(Grants& grants, Verb verb, const std::vector<std::string>& patterns) {
  for (const std::string& pattern : patterns)
    if (auto added = grants.add(verb, pattern); !added)
      return {added.error().code, fmt::format("--{}", added.error().detail)};
  return {};
}

Result<std::string> sign(const TokenOptions& options) {
  const char* secret = std::getenv(options.secret_variable.c_str());
  if (secret == nullptr)
    return {Errc::validation,
            fmt::format("--secret-env: there is no variable {}; it holds the value of "
                        "auth.hs256_secret",
                        options.secret_variable)};
  TokenClaims claims;
  claims.user = options.user;
  for (const auto& [verb, patterns] : {std::pair{Verb::subscribe, &options.subscribe},
                                       {Verb::publish, &options.publish},
                                       {Verb::presence, &options.presence}})
    if (auto added = add(claims.grants, verb, *patterns); !added) return added.error();
  claims.issued_at = SystemClock().wall();
  claims.expires_at = claims.issued_at + std::chrono::seconds(options.ttl_s);
  claims.audience = options.audience;
  claims.issuer = options.issuer;
  return sign_token(secret, claims);
}

}  // namespace

int make_token(const TokenOptions& options) {
  const auto token = sign(options);
  if (token) {
    std::puts(token->c_str());
    return kExitOk;
  }
  std::fputs(fmt::format("{}\n", token.error().detail).c_str(), stderr);
  return kExitFailed;
}

}  // namespace ringcast
