// The lines that HTTP/1 requests are made of, one function a line: each refuses what two readers
// could understand differently.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "wire/http_request.hpp"

namespace ringcast::wire {

// What a request line may have besides its target: the method, the version, two spaces, CR LF.
inline constexpr std::size_t kRequestLineExtraBytesMax = 32;

struct HeaderLine {
  std::string_view name;
  std::string_view value;  // without the white space around it
};

// RFC 9112 section 5: `name ":" OWS value OWS`; no folding, no space before the colon, no control
// characters but HTAB. `line` without its CR LF.
[[nodiscard]] Result<HeaderLine> parse_header_line(std::string_view line);

// RFC 9112 section 2.3: "HTTP/" DIGIT "." DIGIT, whatever the digits.
[[nodiscard]] bool is_http_version(std::string_view text);

// RFC 9112 section 3.2: fills path and query from request.target, and lets an absolute-form target
// (`http://host/path`) be; check_head() compares its host. False: not a valid target.
[[nodiscard]] bool split_target(HttpRequest& request);

// What must hold for the headers together: Host (RFC 9112 section 3.2). Returns what is wrong.
[[nodiscard]] std::optional<std::string> check_head(const HttpRequest& request);

// RFC 9112 section 9.3.
[[nodiscard]] bool wants_keep_alive(const HttpRequest& request);

// Digits only, at least one; more than fits becomes the greatest number.
[[nodiscard]] std::optional<std::uint64_t> parse_decimal(std::string_view text);

struct ChunkLine {
  std::uint64_t size = 0;  // more than fits becomes the greatest number
  std::size_t extension_bytes = 0;
};

// RFC 9112 section 7.1: `1*HEXDIG [";" extension]`; no sign, no "0x", no space before the
// semicolon.
[[nodiscard]] std::optional<ChunkLine> parse_chunk_line(std::string_view line);

}  // namespace ringcast::wire
