#include "message/json.hpp"

#include <fmt/format.h>
#include <simdjson.h>

#include <array>

#include "base/ensure.hpp"

namespace ringcast {

namespace {

constexpr std::size_t kParserDepthMax = kJsonDepthMax + 1;

// simdjson's parser owns buffers that grow to the largest document seen; one a thread is enough.
simdjson::dom::parser& parser() {
  thread_local simdjson::dom::parser instance;
  return instance;
}

std::size_t depth_of(simdjson::dom::element element) {
  std::size_t deepest = 0;
  if (element.is_object()) {
    const simdjson::dom::object object = element.get_object().value_unsafe();
    for (const auto field : object) deepest = std::max(deepest, depth_of(field.value));
    return deepest + 1;
  }
  if (element.is_array()) {
    const simdjson::dom::array array = element.get_array().value_unsafe();
    for (const auto child : array) deepest = std::max(deepest, depth_of(child));
    return deepest + 1;
  }
  return 0;
}

}  // namespace

Result<void> check_json(std::string_view text, JsonShape shape, std::string_view field) {
  if (text.empty()) text = "";  // simdjson copies also no octets, and not from a null pointer
  auto& json = parser();
  // The stage-one pass of simdjson bounds its own stack, so a document nested a million times is an
  // error here and not a recursion in depth_of(). Its limit is one higher than ours, because it
  // refuses to open a container *at* its limit, unless that is empty; depth_of() decides.
  if (json.capacity() < text.size() || json.max_depth() != kParserDepthMax) {
    const auto allocated =
        json.allocate(std::max<std::size_t>(text.size(), 4'096), kParserDepthMax);
    if (allocated != simdjson::SUCCESS)
      return {Errc::unavailable, fmt::format("{}: no memory to read {} bytes", field, text.size())};
  }
  simdjson::dom::element root;
  const auto error = json.parse(text.data(), text.size(), true).get(root);
  if (error == simdjson::DEPTH_ERROR ||
      (error == simdjson::SUCCESS && depth_of(root) > kJsonDepthMax))
    return {Errc::validation,
            fmt::format("{}: nested deeper than {} levels", field, kJsonDepthMax)};
  if (error != simdjson::SUCCESS)
    return {Errc::validation,
            fmt::format("{}: not valid JSON: {}", field, simdjson::error_message(error))};
  if (shape == JsonShape::object && !root.is_object())
    return {Errc::validation, fmt::format("{}: is not a JSON object", field)};
  return {};
}

Result<Payload> check_payload(std::string_view text, JsonShape shape, std::string_view field) {
  if (auto checked = check_json(text, shape, field); !checked) return checked.error();
  return own_payload(text);
}

std::optional<std::string_view> payload_within(std::string_view text) {
  // Twice memchr: find_first_of() takes an octet at a time.
  if (text.find('\n') != std::string_view::npos || text.find('\r') != std::string_view::npos)
    return std::nullopt;
  const auto first = text.find_first_not_of(" \t");
  const auto last = text.find_last_not_of(" \t");
  return text.substr(first, last - first + 1);
}

void append_payload(std::string& out, std::string_view text) {
  if (const auto within = payload_within(text)) {
    out.append(*within);
    return;
  }
  const std::size_t before = out.size();
  out.resize(before + text.size());
  std::size_t length = 0;
  const auto error = simdjson::minify(text.data(), text.size(), out.data() + before, length);
  ensure(error == simdjson::SUCCESS, "a payload that is not JSON");
  out.resize(before + length);
}

Payload own_payload(std::string_view text) {
  std::string out;
  append_payload(out, text);
  return std::make_shared<const std::string>(std::move(out));
}

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  std::size_t plain_from = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte >= 0x20 && byte != '"' && byte != '\\') continue;
    out.append(text, plain_from, i - plain_from);
    plain_from = i + 1;
    if (byte == '"' || byte == '\\')
      (out += '\\') += text[i];
    else
      out += fmt::format("\\u{:04x}", byte);
  }
  out.append(text, plain_from);
  out += '"';
}

void append_json_field(std::string& out, std::string_view name, std::string_view value) {
  if (!out.empty() && out.back() != '{') out += ',';
  append_json_string(out, name);
  out += ':';
  append_json_string(out, value);
}

}  // namespace ringcast
