#include "auth/strict_json.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace ringcast {

namespace {

constexpr std::size_t kDepthMax = 16;

simdjson::dom::parser& parser() {
  thread_local simdjson::dom::parser instance;
  return instance;
}

bool has_key_twice(simdjson::dom::element element);

bool has_key_twice(simdjson::dom::object object) {
  std::vector<std::string_view> keys;
  for (auto field : object) {
    keys.push_back(field.key);
    if (has_key_twice(field.value)) return true;
  }
  // Sorted, because comparing each with each would let a token of 8 KiB cost a millisecond.
  std::sort(keys.begin(), keys.end());
  return std::adjacent_find(keys.begin(), keys.end()) != keys.end();
}

// Recursion ends: the parser has refused what is nested deeper than kDepthMax.
bool has_key_twice(simdjson::dom::element element) {
  if (element.is_object()) return has_key_twice(element.get_object().value_unsafe());
  if (!element.is_array()) return false;
  const auto array = element.get_array().value_unsafe();
  return std::any_of(array.begin(), array.end(),
                     [](simdjson::dom::element child) { return has_key_twice(child); });
}

}  // namespace

Result<simdjson::dom::object> parse_strict_object(std::string_view text, std::string_view what) {
  auto& json = parser();
  if (json.capacity() < text.size() || json.max_depth() != kDepthMax) {
    if (json.allocate(std::max<std::size_t>(text.size(), 1'024), kDepthMax) != simdjson::SUCCESS)
      return {Errc::unavailable, fmt::format("{}: no memory to read it", what)};
  }
  simdjson::dom::object object;
  simdjson::dom::element root;
  if (const auto error = json.parse(text.data(), text.size(), true).get(root);
      error != simdjson::SUCCESS)
    return {Errc::unauthorized,
            fmt::format("{} is not valid JSON: {}", what, simdjson::error_message(error))};
  if (root.get(object) != simdjson::SUCCESS)
    return {Errc::unauthorized, fmt::format("{} is not a JSON object", what)};
  if (has_key_twice(object)) return {Errc::unauthorized, fmt::format("{} has a key twice", what)};
  return object;
}

}  // namespace ringcast
