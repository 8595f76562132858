// `ringcast token`: a token signed with a secret out of the environment.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ringcast {

inline constexpr std::int64_t kTokenTtlSecondsMax = 10 * 365 * 86'400;

struct TokenOptions {
  std::string user;
  std::vector<std::string> subscribe;
  std::vector<std::string> publish;
  std::vector<std::string> presence;
  std::int64_t ttl_s = 3'600;  // 1 to kTokenTtlSecondsMax
  std::string secret_variable;
  std::string audience;
  std::string issuer;
};

// Prints the token, or on standard error what is wrong. Returns the exit code.
[[nodiscard]] int make_token(const TokenOptions& options);

}  // namespace ringcast
