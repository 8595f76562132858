// A payload that is taken is one line of JSON, is taken again as it is, and is nested as promised.
#include "base/ensure.hpp"
#include "message/json.hpp"
#include "message/names.hpp"
#include "pieces.hpp"

namespace {

using namespace ringcast;

std::size_t depth_of(std::string_view json) {
  std::size_t depth = 0;
  std::size_t deepest = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (in_string && c == '\\')
      ++i;
    else if (c == '"')
      in_string = !in_string;
    else if (!in_string && (c == '{' || c == '['))
      deepest = std::max(deepest, ++depth);
    else if (!in_string && (c == '}' || c == ']'))
      --depth;
  }
  return deepest;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = text_of(data, size);
  const auto payload = check_payload(text, JsonShape::any, "data");
  const auto object = check_payload(text, JsonShape::object, "data");
  if (!payload.ok()) {
    ensure(!object.ok(), "what is wrong is no object");
    return 0;
  }
  const std::string& json = **payload;
  ensure(!json.empty() && json.size() <= text.size(), "a payload does not grow");
  ensure(json.find_first_of("\r\n") == std::string::npos, "a payload is one line");
  ensure(is_valid_utf8(json), "a payload is UTF-8");
  ensure(depth_of(json) <= kJsonDepthMax, "a payload is not deep");
  ensure(object.ok() == (json.front() == '{'), "an object begins with a brace");
  const auto again = check_payload(json, JsonShape::any, "data");
  ensure(again.ok() && **again == json, "what was taken is taken again as it is");
  return 0;
}
