// What a daemon answers to one HTTP request of a client command.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "daemon/tcp_stream.hpp"

namespace ringcast {

inline constexpr std::size_t kAnswerHeadBytesMax = 65'536;
inline constexpr std::size_t kAnswerBodyBytesMax = std::size_t{16} << 20;

struct HttpAnswer {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::string body;

  [[nodiscard]] std::string_view header(std::string_view lower_name) const;  // empty: none
  // "403 FORBIDDEN: what the daemon says", for a person.
  [[nodiscard]] std::string refusal() const;
};

// Reads one answer off `stream`; what comes behind it stays in its buffer. The body is as long as
// Content-Length says, or none (101, 204); answers in chunks are not understood, since the daemon
// gives none. Error: not HTTP/1.1, larger than the limits, or the stream's.
[[nodiscard]] Result<HttpAnswer> read_http_answer(TcpStream& stream);

}  // namespace ringcast
