#include "auth/strict_json.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace ringcast {

namespace {

constexpr std::size_t kDepthMax = 16;
// One more, because simdjson refuses to open a container at its limit unless it is empty.
constexpr std::size_t kParserDepthMax = kDepthMax + 1;
constexpr std::string_view kTooDeep = "is nested deeper than 16 levels";

simdjson::dom::parser& parser() {
  thread_local simdjson::dom::parser instance;
  return instance;
}

// What is wrong with the element, or an empty text. `levels` is how many containers may still be
// opened, so the recursion ends.
std::string_view complaint(simdjson::dom::element element, std::size_t levels) {
  if (element.is_array()) {
    if (levels == 0) return kTooDeep;
    // Named, because a range-for does not keep alive the result that a temporary came out of.
    const simdjson::dom::array array = element.get_array().value_unsafe();
    for (const simdjson::dom::element child : array)
      if (const auto found = complaint(child, levels - 1); !found.empty()) return found;
  }
  if (element.is_object()) {
    if (levels == 0) return kTooDeep;
    std::vector<std::string_view> keys;
    const simdjson::dom::object object = element.get_object().value_unsafe();
    for (const auto field : object) {
      keys.push_back(field.key);
      if (const auto found = complaint(field.value, levels - 1); !found.empty()) return found;
    }
    // Sorted, because comparing each with each would let a token of 8 KiB cost a millisecond.
    std::sort(keys.begin(), keys.end());
    if (std::adjacent_find(keys.begin(), keys.end()) != keys.end()) return "has a key twice";
  }
  return {};
}

}  // namespace

Result<simdjson::dom::object> parse_strict_object(std::string_view text, std::string_view what) {
  auto& json = parser();
  if (json.capacity() < text.size() || json.max_depth() != kParserDepthMax) {
    if (json.allocate(std::max<std::size_t>(text.size(), 1'024), kParserDepthMax) !=
        simdjson::SUCCESS)
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
  if (const auto found = complaint(root, kDepthMax); !found.empty())
    return {Errc::unauthorized, fmt::format("{} {}", what, found)};
  return object;
}

}  // namespace ringcast
