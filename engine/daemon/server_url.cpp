#include "daemon/server_url.hpp"

#include <fmt/format.h>

#include "config/check.hpp"

namespace ringcast {

std::string ServerUrl::authority() const {
  return host.find(':') == std::string::npos ? fmt::format("{}:{}", host, port)
                                             : fmt::format("[{}]:{}", host, port);
}

Result<ServerUrl> parse_server_url(std::string_view text) {
  constexpr std::string_view kScheme = "http://";
  if (text.starts_with("https://"))
    return {Errc::validation,
            "--url: this command speaks no TLS; run it on the daemon's own machine with "
            "http://127.0.0.1:PORT, or through a tunnel (ssh -L)"};
  const Error wrong{Errc::validation, "--url: expected http://HOST:PORT"};
  if (!text.starts_with(kScheme)) return wrong;
  text.remove_prefix(kScheme.size());
  if (text.ends_with('/')) text.remove_suffix(1);
  if (text.find(']') == std::string_view::npos ? text.find(':') == std::string_view::npos
                                               : text.ends_with(']')) {
    const auto parsed = parse_listen_address(fmt::format("{}:80", text));
    return parsed ? Result<ServerUrl>(ServerUrl{parsed->host, 80}) : wrong;
  }
  const auto parsed = parse_listen_address(text);
  if (!parsed || parsed->port == 0) return wrong;
  return ServerUrl{parsed->host, parsed->port};
}

}  // namespace ringcast
