// `ringcast pub`: one event over POST /api/publish.
#pragma once

#include <string>

namespace ringcast {

struct PublishOptions {
  std::string room;
  std::string type;
  std::string data = "null";  // JSON; "-": standard input, at most kPublishDataBytesMax
  std::string url;
  std::string key;
  std::string exclude_user;     // empty: nobody
  std::string id;               // empty: the daemon makes one
  std::string idempotency_key;  // empty: none
};

inline constexpr std::size_t kPublishDataBytesMax = std::size_t{16} << 20;

// Prints the daemon's answer, or on standard error why there is none. Returns the exit code.
[[nodiscard]] int publish(const PublishOptions& options);

}  // namespace ringcast
