#include "wire/http_request.hpp"

#include <algorithm>

namespace ringcast::wire {

namespace {

constexpr std::string_view kTokenSymbols = "!#$%&'*+-.^_`|~";

bool is_token_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         kTokenSymbols.find(c) != std::string_view::npos;
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

// Calls visit(decoded value) for each parameter of this name until it returns false.
template <class Visit>
void for_each_parameter(std::string_view query, std::string_view name, Visit visit) {
  while (!query.empty()) {
    const std::size_t end = query.find('&');
    const std::string_view pair = query.substr(0, end);
    const std::size_t equals = pair.find('=');
    if (percent_decode(pair.substr(0, equals), PlusSign::space) == name) {
      const auto value = equals == std::string_view::npos ? "" : pair.substr(equals + 1);
      auto decoded = percent_decode(value, PlusSign::space);
      if (decoded && !visit(std::move(*decoded))) return;
    }
    if (end == std::string_view::npos) return;
    query.remove_prefix(end + 1);
  }
}

}  // namespace

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char folded = lower(c);
  return folded >= 'a' && folded <= 'f' ? folded - 'a' + 10 : -1;
}

std::string_view HttpRequest::header(std::string_view name) const {
  for (const auto& [key, value] : headers)
    if (equals_ignoring_case(key, name)) return value;
  return {};
}

std::size_t HttpRequest::header_count(std::string_view name) const {
  return static_cast<std::size_t>(
      std::count_if(headers.begin(), headers.end(),
                    [&](const auto& field) { return equals_ignoring_case(field.first, name); }));
}

bool HttpRequest::header_has_token(std::string_view name, std::string_view token) const {
  bool found = false;
  for (const auto& [key, value] : headers)
    if (equals_ignoring_case(key, name))
      for_each_list_element(value, [&](std::string_view element) {
        found = found || equals_ignoring_case(element, token);
      });
  return found;
}

std::vector<std::string> HttpRequest::query_parameters(std::string_view name) const {
  std::vector<std::string> values;
  for_each_parameter(query, name, [&](std::string value) {
    values.push_back(std::move(value));
    return true;
  });
  return values;
}

std::optional<std::string> HttpRequest::query_parameter(std::string_view name) const {
  std::optional<std::string> first;
  for_each_parameter(query, name, [&](std::string value) {
    first = std::move(value);
    return false;
  });
  return first;
}

bool HttpRequest::has_json_content() const {
  if (header_count("content-type") != 1) return false;
  const std::string_view value = header("content-type");
  return equals_ignoring_case(trim_http_space(value.substr(0, value.find(';'))),
                              "application/json");
}

std::optional<std::string> percent_decode(std::string_view text, PlusSign plus) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      if (text.size() - i < 3) return std::nullopt;
      const int high = hex_digit(text[i + 1]);
      const int low = hex_digit(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      decoded += static_cast<char>(high * 16 + low);
      i += 2;
    } else {
      decoded += text[i] == '+' && plus == PlusSign::space ? ' ' : text[i];
    }
  }
  return decoded;
}

bool is_http_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), is_token_character);
}

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(),
                                            [](char x, char y) { return lower(x) == lower(y); });
}

std::string_view trim_http_space(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

}  // namespace ringcast::wire
