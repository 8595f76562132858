// HTTP/1.0 and HTTP/1.1 requests from bytes in any split: strict, because a proxy may stand before
// us and must never read the same bytes as other requests (docs/adr/0001-http-parser.md).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "wire/http_request.hpp"

namespace ringcast::wire {

inline constexpr std::size_t kChunkLineBytesMax = 256;

struct HttpLimits {
  std::size_t header_bytes_max = 16'384;  // request line, headers, their line ends; beyond: 431
  std::size_t header_lines_max = 100;     // beyond: 431
  std::size_t target_bytes_max = 8'192;   // beyond: 414
  std::size_t body_bytes_max = 1U << 20;  // beyond, also if only declared: 413
};

// Why a request is refused. The connection can not be used again: where the next request would
// begin is not known.
struct HttpError {
  int status = 400;    // 400, 413, 414, 431, 501 or 505
  std::string detail;  // what is wrong, by section of the RFC; safe to show to the client
};

enum class HttpParserState : std::uint8_t {
  idle,      // no octet of a request yet
  header,    // in the request line or the headers
  body,      // the headers are whole, the body is not
  complete,  // take() it
  failed,    // answer error() and close
};

// Puts one request after the other together.
//
// Thread: its owner's. `limits` must outlive it. Holds no heap memory while idle; otherwise at most
// about twice header_bytes_max + body_bytes_max, and never memory for octets that have not come.
// Beyond a limit it is `failed`, and takes nothing more.
class HttpRequestParser {
 public:
  explicit HttpRequestParser(const HttpLimits& limits);
  explicit HttpRequestParser(HttpLimits&&) = delete;
  ~HttpRequestParser();
  HttpRequestParser(HttpRequestParser&&) noexcept;
  HttpRequestParser& operator=(HttpRequestParser&&) noexcept;

  // Takes octets up to the end of one request and returns how many it took. Fewer than given: the
  // state is `complete` or `failed`; what is left belongs to the next request, or to the protocol
  // that this one upgrades to.
  std::size_t feed(std::string_view bytes);

  [[nodiscard]] HttpParserState state() const;

  // Only in `failed`.
  [[nodiscard]] const HttpError& error() const;

  // In `body`: the client waits for "100 Continue" before it sends the body (RFC 9110 section
  // 10.1.1), and no octet of the body has come.
  [[nodiscard]] bool expects_continue() const;

  // In `body` and `complete`: what is known already, so that a request can be refused on its
  // headers alone.
  [[nodiscard]] const HttpRequest& request() const;

  // Only in `complete`: the request. The parser is idle again.
  [[nodiscard]] HttpRequest take();

 private:
  struct Progress;  // a request that has begun
  const HttpLimits* limits_;
  std::unique_ptr<Progress> progress_;
};

}  // namespace ringcast::wire
