#include "store/schema_mistake.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <nlohmann/json.hpp>
#include <regex>
#include <utility>
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>

namespace ringcast {

namespace {

using Json = nlohmann::json;
using Found = std::optional<SchemaMistake>;
using Look = std::function<Found(const Json& node, const JsonPath& path)>;

// Draft 4 to 7: which keywords hold schemas, and how.
constexpr std::string_view kNamedSchemas[] = {"properties", "patternProperties", "definitions",
                                              "dependencies"};
constexpr std::string_view kOneSchema[] = {"additionalProperties",
                                           "additionalItems",
                                           "items",
                                           "not",
                                           "contains",
                                           "propertyNames",
                                           "if",
                                           "then",
                                           "else"};
constexpr std::string_view kListedSchemas[] = {"items", "allOf", "anyOf", "oneOf"};

template <std::size_t N>
bool is_one_of(const std::string& name, const std::string_view (&names)[N]) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

Found look_into(const Json& schema, JsonPath& path, const Look& look);

Found look_at_children(const Json& children, JsonPath& path, const Look& look) {
  for (const auto& [name, child] : children.items()) {
    path.push_back(name);
    if (auto found = look_into(child, path, look)) return found;
    path.pop_back();
  }
  return std::nullopt;
}

// The schema and all within it, innermost first.
Found look_into(const Json& schema, JsonPath& path, const Look& look) {
  if (!schema.is_object()) return std::nullopt;
  for (const auto& [name, value] : schema.items()) {
    path.push_back(name);
    Found found;
    if (value.is_object() && is_one_of(name, kNamedSchemas))
      found = look_at_children(value, path, look);
    else if (value.is_object() && is_one_of(name, kOneSchema))
      found = look_into(value, path, look);
    else if (value.is_array() && is_one_of(name, kListedSchemas))
      found = look_at_children(value, path, look);
    if (found) return found;
    path.pop_back();
  }
  return look(schema, path);
}

JsonPath below(JsonPath path, std::string name) {
  path.push_back(std::move(name));
  return path;
}

bool leads_somewhere(const Json& document, const std::string& reference) {
  try {  // the library's way of saying that it is no JSON pointer
    return reference == "#" || document.contains(Json::json_pointer(reference.substr(1)));
  } catch (const std::exception&) {
    return false;
  }
}

// Not only where schemas stand: a reference out of the file is not followed from anywhere.
Found mistake_in_references(const Json& document, const Json& node, JsonPath& path) {
  if (!node.is_structured()) return std::nullopt;
  for (const auto& [name, value] : node.items()) {
    path.push_back(name);
    if (name == "$ref" && value.is_string()) {
      const auto& reference = value.get_ref<const std::string&>();
      if (!reference.starts_with('#'))
        return SchemaMistake{path, fmt::format("found {}, expected a reference into this file "
                                               "(#/...)",
                                               reference)};
      if (reference.starts_with("#/") && !leads_somewhere(document, reference))
        return SchemaMistake{path, fmt::format("found {}, which is not in this file", reference)};
    }
    if (auto found = mistake_in_references(document, value, path)) return found;
    path.pop_back();
  }
  return std::nullopt;
}

Found mistake_in_pattern(const std::string& pattern, JsonPath path) {
  try {  // as the library will use it
    static_cast<void>(std::regex(pattern));
    return std::nullopt;
  } catch (const std::exception& error) {
    return SchemaMistake{
        std::move(path),
        fmt::format("is not a JSON Schema: no regular expression: {}", error.what())};
  }
}

Found mistake_in_patterns(const Json& schema, const JsonPath& path) {
  if (const auto pattern = schema.find("pattern"); pattern != schema.end() && pattern->is_string())
    if (auto found = mistake_in_pattern(*pattern, below(path, "pattern"))) return found;
  const auto named = schema.find("patternProperties");
  if (named == schema.end() || !named->is_object()) return std::nullopt;
  for (const auto& [pattern, value] : named->items())
    if (auto found = mistake_in_pattern(pattern, below(below(path, "patternProperties"), pattern)))
      return found;
  return std::nullopt;
}

// References within a part would be looked for in the part.
Json without_references(Json node) {
  if (node.is_object()) node.erase("$ref");
  if (node.is_structured())
    for (Json& each : node) each = without_references(std::move(each));
  return node;
}

// Why the library refuses this schema; none: it takes it.
std::optional<std::string> refusal(const Json& schema) {
  try {
    valijson::Schema compiled;
    valijson::SchemaParser().populateSchema(valijson::adapters::NlohmannJsonAdapter(schema),
                                            compiled);
    return std::nullopt;
  } catch (const std::exception& error) {
    return error.what();
  }
}

Found mistake_by_library(const Json& schema, const JsonPath& path) {
  const Json alone = without_references(schema);
  const auto why = refusal(alone);
  if (!why) return std::nullopt;
  for (const auto& [name, value] : alone.items())
    if (const auto keyword = refusal(Json::object({{name, value}})))
      return SchemaMistake{below(path, name), *keyword};
  return SchemaMistake{path, *why};
}

// Walks a valid JSON text. Thread: its owner's. Lives for one call.
class Walk final {
 public:
  explicit Walk(std::string_view text) : text_(text) { skip_space(); }
  [[nodiscard]] std::size_t at() const { return at_; }

  // To the value of this member or index; false: it is not there.
  bool enter(const std::string& step) {
    const bool object = peek() == '{';
    if (!object && peek() != '[') return false;
    std::size_t index = 0;
    if (!object && std::from_chars(step.data(), step.data() + step.size(), index).ec != std::errc())
      return false;
    ++at_;
    for (std::size_t i = 0;; ++i) {
      skip_space();
      if (at_ >= text_.size() || peek() == '}' || peek() == ']') return false;
      bool here = i == index;
      if (object) {
        here = string() == step;
        skip_space();
        ++at_;  // the colon
        skip_space();
      }
      if (here) return true;
      skip_value();
      skip_space();
      if (peek() == ',') ++at_;
    }
  }

 private:
  [[nodiscard]] char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  void skip_space() { at_ = std::min(text_.find_first_not_of(" \t\r\n", at_), text_.size()); }
  std::string_view string() {
    const std::size_t begin = ++at_;
    while (at_ < text_.size() && text_[at_] != '"') at_ += text_[at_] == '\\' ? 2 : 1;
    const std::size_t end = std::min(at_, text_.size());
    ++at_;
    return text_.substr(begin, end - begin);
  }
  void skip_value() {
    for (std::size_t depth = 0; at_ < text_.size();) {
      const char c = text_[at_];
      if (depth == 0 && (c == ',' || c == '}' || c == ']')) return;
      if (c == '"') {
        string();
        continue;
      }
      if (c == '{' || c == '[') ++depth;
      if (c == '}' || c == ']') --depth;
      ++at_;
    }
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

std::optional<SchemaMistake> mistake_in_references_and_patterns(const nlohmann::json& document) {
  JsonPath path;
  if (auto found = mistake_in_references(document, document, path)) return found;
  path.clear();
  return look_into(document, path, mistake_in_patterns);
}

SchemaMistake mistake_in_schema(const nlohmann::json& document, std::string why) {
  JsonPath path;
  auto found = look_into(document, path, mistake_by_library);
  SchemaMistake mistake = found ? *std::move(found) : SchemaMistake{{}, std::move(why)};
  mistake.what = "is not a JSON Schema: " + mistake.what;
  return mistake;
}

std::string place_in(std::string_view text, std::size_t offset) {
  const std::string_view before = text.substr(0, offset);
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const std::size_t begin = before.rfind('\n') + 1;  // npos + 1 is 0
  return fmt::format("{}:{}", line, before.size() - begin + 1);
}

std::size_t offset_of(std::string_view json, std::span<const std::string> path) {
  Walk walk(json);
  for (const std::string& step : path) {
    const Walk before = walk;
    if (!walk.enter(step)) return before.at();
  }
  return walk.at();
}

}  // namespace ringcast
