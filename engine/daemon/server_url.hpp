// Where a client command finds its daemon: `--url http://HOST:PORT`.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace ringcast {

struct ServerUrl {
  std::string host;  // without the brackets of an IPv6 address
  std::uint16_t port = 80;

  // For the Host header: with brackets and port.
  [[nodiscard]] std::string authority() const;
};

// http://HOST[:PORT][/]. The error is a sentence; of https it says what to do instead.
// Thread: any.
[[nodiscard]] Result<ServerUrl> parse_server_url(std::string_view text);

}  // namespace ringcast
