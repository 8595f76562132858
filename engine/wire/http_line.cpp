#include "wire/http_line.hpp"

#include <algorithm>
#include <limits>

#include "message/names.hpp"

namespace ringcast::wire {

namespace {

bool is_control(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte < 0x20 || byte == 0x7f;
}

bool is_visible_ascii(char c) { return c > 0x20 && c < 0x7f; }

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// RFC 3986 section 3.2.2 without user information: what names a host and port may hold.
bool is_host_character(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         std::string_view("-._~[]:%!$&'()*+;=").find(c) != std::string_view::npos;
}

bool is_host(std::string_view text) {
  return std::all_of(text.begin(), text.end(), is_host_character);
}

// What stands before the path in `http://authority/path`; nothing for the other forms.
std::optional<std::string_view> authority_of(std::string_view target) {
  for (const std::string_view scheme : {"http://", "https://"})
    if (equals_ignoring_case(target.substr(0, scheme.size()), scheme))
      return target.substr(scheme.size(),
                           target.find_first_of("/?", scheme.size()) - scheme.size());
  return std::nullopt;
}

}  // namespace

Result<HeaderLine> parse_header_line(std::string_view line) {
  if (line.starts_with(' ') || line.starts_with('\t'))
    return {Errc::validation, "a header is folded over two lines (RFC 9112 section 5.2)"};
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || !is_http_token(line.substr(0, colon)))
    return {Errc::validation, "a header does not begin with `name:` (RFC 9112 section 5)"};
  const std::string_view value = trim_http_space(line.substr(colon + 1));
  if (std::any_of(value.begin(), value.end(), [](char c) { return is_control(c) && c != '\t'; }))
    return {Errc::validation, "a header has a control character in its value"};
  return HeaderLine{line.substr(0, colon), value};
}

bool is_http_version(std::string_view text) {
  return text.size() == 8 && text.starts_with("HTTP/") && is_digit(text[5]) && text[6] == '.' &&
         is_digit(text[7]);
}

bool split_target(HttpRequest& request) {
  const std::string_view target = request.target;
  if (!std::all_of(target.begin(), target.end(), is_visible_ascii)) return false;
  if (target.find('#') != std::string_view::npos) return false;
  if (target == "*") {
    request.path = "*";
    return request.method == "OPTIONS";
  }
  std::string_view rest = target;
  if (const auto authority = authority_of(target)) {
    if (authority->empty() || !is_host(*authority)) return false;
    rest.remove_prefix(static_cast<std::size_t>(authority->end() - target.begin()));
  } else if (!rest.starts_with('/')) {
    return false;
  }
  const std::size_t question = rest.find('?');
  auto path = percent_decode(rest.substr(0, question), PlusSign::literal);
  if (!path || std::any_of(path->begin(), path->end(), is_control) || !is_valid_utf8(*path))
    return false;
  request.path = path->empty() ? "/" : std::move(*path);
  if (question != std::string_view::npos) request.query = rest.substr(question + 1);
  return percent_decode(request.query, PlusSign::space).has_value();
}

std::optional<std::string> check_head(const HttpRequest& request) {
  const std::size_t hosts = request.header_count("host");
  if (hosts > 1) return "there is more than one Host";
  if (hosts == 0 && request.version_minor == 1) return "there is no Host";
  const std::string_view host = request.header("host");
  if (!is_host(host)) return "Host is not a name or address with a port";
  // RFC 9112 section 3.2.2 lets the target's host win; two that differ are one too many.
  const auto authority = authority_of(request.target);
  if (authority && hosts == 1 && !equals_ignoring_case(*authority, host))
    return "Host is not the one of the target";
  return std::nullopt;
}

bool wants_keep_alive(const HttpRequest& request) {
  if (request.header_has_token("connection", "close")) return false;
  return request.version_minor == 1 || request.header_has_token("connection", "keep-alive");
}

std::optional<std::uint64_t> parse_decimal(std::string_view text) {
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();
  if (text.empty()) return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : text) {
    if (!is_digit(c)) return std::nullopt;
    const auto digit = static_cast<std::uint64_t>(c - '0');
    value = value > (kMost - digit) / 10 ? kMost : value * 10 + digit;
  }
  return value;
}

std::optional<ChunkLine> parse_chunk_line(std::string_view line) {
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();
  const std::string_view digits = line.substr(0, line.find(';'));
  const std::string_view extension = line.substr(digits.size());
  if (digits.empty()) return std::nullopt;
  ChunkLine chunk{0, extension.size()};
  for (const char c : digits) {
    const int digit = hex_digit(c);
    if (digit < 0) return std::nullopt;
    chunk.size = chunk.size > (kMost >> 4) ? kMost : chunk.size << 4 | static_cast<unsigned>(digit);
  }
  if (std::any_of(extension.begin(), extension.end(),
                  [](char c) { return is_control(c) && c != '\t'; }))
    return std::nullopt;
  return chunk;
}

}  // namespace ringcast::wire
