#include "wire/http_response.hpp"

#include <fmt/format.h>

#include <iterator>

#include "base/ensure.hpp"
#include "message/json.hpp"

namespace ringcast::wire {

namespace {

void append_header(std::string& out, std::string_view name, std::string_view value) {
  ensure(is_http_token(name), "a response header whose name is no token");
  out += name;
  out += ": ";
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    out += byte < 0x20 || byte == 0x7f ? ' ' : c;
  }
  out += "\r\n";
}

void append_status_line(std::string& out, int status) {
  fmt::format_to(std::back_inserter(out), "HTTP/1.1 {} {}\r\n", status, reason_phrase(status));
}

bool has_body(int status) { return status >= 200 && status != 204 && status != 304; }

HttpResponse error_body(int status, std::string_view code, std::string_view message,
                        std::string_view correlation_id) {
  std::string json = "{";
  append_json_field(json, "error", code);
  append_json_field(json, "message", message);
  append_json_field(json, "correlationId", correlation_id);
  json += '}';
  return json_response(status, std::move(json));
}

}  // namespace

void append_response(std::string& out, const HttpResponse& response, HttpPersistence persistence,
                     HttpBody body) {
  append_status_line(out, response.status);
  for (const auto& [name, value] : response.headers) append_header(out, name, value);
  if (has_body(response.status))
    fmt::format_to(std::back_inserter(out), "Content-Length: {}\r\n", response.body.size());
  out += persistence == HttpPersistence::close ? "Connection: close\r\n\r\n"
                                               : "Connection: keep-alive\r\n\r\n";
  if (has_body(response.status) && body == HttpBody::sent) out += response.body;
}

void append_response_head(std::string& out, int status,
                          const std::vector<std::pair<std::string, std::string>>& headers) {
  append_status_line(out, status);
  for (const auto& [name, value] : headers) append_header(out, name, value);
  out += "\r\n";
}

std::string_view reason_phrase(int status) {
  struct Row {
    int status;
    std::string_view phrase;
  };
  constexpr Row kRows[] = {{101, "Switching Protocols"},
                           {200, "OK"},
                           {202, "Accepted"},
                           {204, "No Content"},
                           {304, "Not Modified"},
                           {400, "Bad Request"},
                           {401, "Unauthorized"},
                           {403, "Forbidden"},
                           {404, "Not Found"},
                           {405, "Method Not Allowed"},
                           {408, "Request Timeout"},
                           {409, "Conflict"},
                           {413, "Content Too Large"},
                           {414, "URI Too Long"},
                           {415, "Unsupported Media Type"},
                           {426, "Upgrade Required"},
                           {429, "Too Many Requests"},
                           {431, "Request Header Fields Too Large"},
                           {500, "Internal Server Error"},
                           {501, "Not Implemented"},
                           {503, "Service Unavailable"},
                           {505, "HTTP Version Not Supported"}};
  for (const Row& row : kRows)
    if (row.status == status) return row.phrase;
  return "Status";
}

HttpResponse json_response(int status, std::string json) {
  return {status,
          {{"Content-Type", "application/json"}, {"Cache-Control", "no-store"}},
          std::move(json)};
}

HttpResponse error_response(const Error& error, std::string_view correlation_id) {
  const ErrorCode code = error_code(error.code);
  HttpResponse response = error_body(code.http_status, code.code, error.detail, correlation_id);
  if (error.code == Errc::unavailable || error.code == Errc::rate_limited)
    response.headers.emplace_back("Retry-After", std::to_string(kRetryAfterSeconds));
  return response;
}

HttpResponse error_response(const HttpError& error, std::string_view correlation_id) {
  const bool too_large = error.status == 413 || error.status == 414 || error.status == 431;
  const Errc code = too_large ? Errc::payload_too_large : Errc::validation;
  return error_body(error.status, error_code(code).code, error.detail, correlation_id);
}

}  // namespace ringcast::wire
