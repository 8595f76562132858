// An HTTP/1 request as it was understood, and the small grammars that its parts are written in.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ringcast::wire {

// One request, whole. Made by HttpRequestParser, which has checked all that is promised here.
//
// Thread: its owner's. Owns its bytes; its size is bounded by HttpLimits.
struct HttpRequest {
  std::string method;  // one of GET HEAD POST PUT PATCH DELETE OPTIONS
  std::string target;  // as sent: visible ASCII
  std::string path;   // decoded, valid UTF-8 without control characters; begins with '/', or is "*"
  std::string query;  // as sent, what stands after the first '?'; its escapes are well formed
  int version_minor = 1;                                     // HTTP/1.0 or HTTP/1.1
  std::vector<std::pair<std::string, std::string>> headers;  // values without outer white space
  std::string body;                                          // with the chunks put together
  bool keep_alive = true;                                    // RFC 9112 section 9.3

  // The value of the first header of this name, in any case; empty if there is none.
  [[nodiscard]] std::string_view header(std::string_view name) const;
  [[nodiscard]] std::size_t header_count(std::string_view name) const;
  // Is `token` an element of the comma-separated list in all headers of this name? In any case.
  [[nodiscard]] bool header_has_token(std::string_view name, std::string_view token) const;

  // The query's parameters of this name, decoded ('+' is a space), in their order.
  [[nodiscard]] std::vector<std::string> query_parameters(std::string_view name) const;
  // The first of them.
  [[nodiscard]] std::optional<std::string> query_parameter(std::string_view name) const;

  // True if the body is declared as application/json (RFC 8259), with any parameters.
  [[nodiscard]] bool has_json_content() const;
};

enum class PlusSign { literal, space };

// RFC 3986 section 2.1; nothing if a '%' is not followed by two hexadecimal digits.
[[nodiscard]] std::optional<std::string> percent_decode(std::string_view text, PlusSign plus);

// 0 to 15 for a hexadecimal digit in either case, else -1.
[[nodiscard]] int hex_digit(char c);

// RFC 9110 section 5.6.2: one or more of the characters that names are made of.
[[nodiscard]] bool is_http_token(std::string_view text);

// ASCII only, whatever the locale.
[[nodiscard]] bool equals_ignoring_case(std::string_view a, std::string_view b);

// `text` without spaces and tabs at both ends.
[[nodiscard]] std::string_view trim_http_space(std::string_view text);

// Calls visit(std::string_view) for each non-empty element of a comma-separated list
// (RFC 9110 section 5.6.1).
template <class Visit>
void for_each_list_element(std::string_view list, Visit visit) {
  while (!list.empty()) {
    const std::size_t comma = list.find(',');
    const std::string_view element = trim_http_space(list.substr(0, comma));
    if (!element.empty()) visit(element);
    if (comma == std::string_view::npos) return;
    list.remove_prefix(comma + 1);
  }
}

}  // namespace ringcast::wire
