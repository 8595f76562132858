// HTTP/1.1 responses as bytes. What a header may not hold can not get into one.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "wire/http_request_parser.hpp"

namespace ringcast::wire {

struct HttpResponse {
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
};

enum class HttpPersistence { keep_alive, close };
enum class HttpBody { sent, omitted };  // omitted: the answer to HEAD

// Appends status line, headers, Content-Length, Connection and the body. Content-Length and
// Connection are made here and not looked for in `headers`; 1xx, 204 and 304 have no length and no
// body. Control characters in a header's value become spaces; a header whose name is no token is
// our own mistake.
void append_response(std::string& out, const HttpResponse& response, HttpPersistence persistence,
                     HttpBody body = HttpBody::sent);

// Status line and headers alone, as given, with the empty line: for 101 and for streams.
void append_response_head(std::string& out, int status,
                          const std::vector<std::pair<std::string, std::string>>& headers);

// "Not Found" for 404; "Status" for what is not in the table.
[[nodiscard]] std::string_view reason_phrase(int status);

[[nodiscard]] HttpResponse json_response(int status, std::string json);

// `{"error": CODE, "message": …, "correlationId": …}` with the status of the code, and Retry-After
// (seconds) where trying again helps. The correlation id is also in the log line.
[[nodiscard]] HttpResponse error_response(const Error& error, std::string_view correlation_id);
// The same shape for what the parser refused; then close.
[[nodiscard]] HttpResponse error_response(const HttpError& error, std::string_view correlation_id);

inline constexpr std::string_view kContinueResponse = "HTTP/1.1 100 Continue\r\n\r\n";
inline constexpr int kRetryAfterSeconds = 1;

}  // namespace ringcast::wire
