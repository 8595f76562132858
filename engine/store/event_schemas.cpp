#include "store/event_schemas.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validation_results.hpp>
#include <valijson/validator.hpp>
#include <vector>

#include "message/json.hpp"
#include "message/names.hpp"
#include "store/schema_mistake.hpp"

namespace ringcast {

namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using Adapter = valijson::adapters::NlohmannJsonAdapter;

constexpr std::string_view kExtension = ".json";
constexpr std::size_t kErrorsShown = 16;

// One event type's schema, as the library compiled it.
struct Compiled {
  std::unique_ptr<valijson::Schema> schema;
  bool matches_text = false;  // has `pattern`, `patternProperties` or `format`
};

Result<std::string> read_file(const fs::path& path) {
  std::error_code error;
  const auto bytes = fs::file_size(path, error);
  if (error) return {Errc::unavailable, error.message()};
  if (bytes > EventSchemas::kSchemaBytesMax)
    return {Errc::validation, fmt::format("has {} octets, the most there may be are {}", bytes,
                                          EventSchemas::kSchemaBytesMax)};
  std::ifstream in(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(in), {}};
  if (!in.good() && !in.eof()) return {Errc::unavailable, "can not be read"};
  return text;
}

bool has_keyword(const Json& node, std::initializer_list<const char*> keywords) {
  if (node.is_object())
    for (const auto& [name, value] : node.items())
      if (std::find(keywords.begin(), keywords.end(), name) != keywords.end() ||
          has_keyword(value, keywords))
        return true;
  if (node.is_array())
    return std::any_of(node.begin(), node.end(),
                       [&](const Json& each) { return has_keyword(each, keywords); });
  return false;
}

// The error begins with LINE:COLUMN, and names the member.
Error at_place(std::string_view text, std::string_view type, const SchemaMistake& mistake) {
  std::string path;
  for (const std::string& step : mistake.path) path += (path.empty() ? "" : ".") + step;
  return {Errc::validation,
          fmt::format("{}: {}: {}{}{}", place_in(text, offset_of(text, mistake.path)), type, path,
                      path.empty() ? "" : ": ", mistake.what)};
}

Result<void> parse(std::string_view text, std::string_view type, Json& document) {
  const auto said = [&](std::size_t offset, std::string_view what) {
    return Error{Errc::validation, fmt::format("{}: {}: {}", place_in(text, offset), type, what)};
  };
  try {  // of the two readers this one says where
    document = Json::parse(text);
  } catch (const Json::parse_error& error) {
    return said(error.byte == 0 ? 0 : error.byte - 1, "schema: is not JSON");
  } catch (const std::exception&) {
    return said(0, "schema: is not JSON");
  }
  if (auto checked = check_json(text, JsonShape::object, "schema"); !checked)
    return said(0, checked.error().detail);
  return {};
}

Result<Compiled> compile(std::string_view text, std::string_view type) {
  Json document;
  if (auto parsed = parse(text, type, document); !parsed) return parsed.error();
  if (const auto mistake = mistake_in_references_and_patterns(document))
    return at_place(text, type, *mistake);
  Compiled out{std::make_unique<valijson::Schema>(),
               has_keyword(document, {"pattern", "patternProperties", "format"})};
  try {  // the library's way of saying that it is no JSON Schema
    valijson::SchemaParser().populateSchema(Adapter(document), *out.schema);
    valijson::Validator().validate(*out.schema, Adapter(Json::object()), nullptr);
  } catch (const std::exception& error) {
    return at_place(text, type, mistake_in_schema(document, error.what()));
  }
  return out;
}

// A text or member name above the limit: its place, else "".
std::string long_text(const Json& node, const std::string& place, std::size_t bytes_max) {
  if (node.is_string() && node.get_ref<const std::string&>().size() > bytes_max) return place;
  if (!node.is_structured()) return {};
  std::size_t index = 0;
  for (const auto& [name, value] : node.items()) {
    if (node.is_object() && name.size() > bytes_max) return place + ", a member's name";
    const std::string next =
        node.is_object() ? place + "." + name : fmt::format("{}[{}]", place, index++);
    if (auto found = long_text(value, next, bytes_max); !found.empty()) return found;
  }
  return {};
}

// The library's ["<root>", "[a]", "[0]"] as payload.a[0]; what it calls a member and what an index
// look the same, so an index is what is a number.
std::string place_of(const std::vector<std::string>& context) {
  std::string out = "payload";
  for (std::size_t i = 1; i < context.size(); ++i) {
    const std::string& step = context[i];
    const bool index =
        step.size() > 2 && std::all_of(step.begin() + 1, step.end() - 1,
                                       [](unsigned char c) { return c >= '0' && c <= '9'; });
    if (index)
      out += step;
    else if (step.size() > 2)
      out += "." + step.substr(1, step.size() - 2);
  }
  return out;
}

std::string describe(valijson::ValidationResults& results) {
  std::string out;
  valijson::ValidationResults::Error error;
  for (std::size_t shown = 0; results.popError(error); ++shown) {
    if (shown == kErrorsShown) return out + fmt::format("; and {} more", results.numErrors() + 1);
    out +=
        fmt::format("{}{}: {}", shown == 0 ? "" : "; ", place_of(error.context), error.description);
  }
  return out;
}

}  // namespace

struct EventSchemas::Parts {
  std::map<std::string, Compiled, std::less<>> by_type;
  UnknownEvents unknown = UnknownEvents::allow;
  std::size_t text_bytes_max = 0;
  valijson::Validator validator;  // keeps compiled regular expressions
};

EventSchemas::EventSchemas(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
EventSchemas::EventSchemas(EventSchemas&&) noexcept = default;
EventSchemas& EventSchemas::operator=(EventSchemas&&) noexcept = default;
EventSchemas::~EventSchemas() = default;

Result<EventSchemas> EventSchemas::load(const OutboxConfig& config) {
  std::vector<std::string> problems;
  auto parts = read(config, problems);
  if (problems.empty()) return EventSchemas(std::move(parts));
  return {Errc::validation, fmt::format("outbox.schemas: {}", problems.front())};
}

std::vector<std::string> EventSchemas::problems_in(const OutboxConfig& config) {
  std::vector<std::string> problems;
  read(config, problems);
  return problems;
}

std::unique_ptr<EventSchemas::Parts> EventSchemas::read(const OutboxConfig& config,
                                                        std::vector<std::string>& problems) {
  auto parts = std::make_unique<Parts>();
  parts->unknown = config.unknown_events;
  parts->text_bytes_max = config.schema_text_bytes_max;
  if (config.schemas.empty()) return parts;
  std::error_code error;
  std::vector<fs::path> files;
  for (fs::directory_iterator at(config.schemas, error), end; !error && at != end;
       at.increment(error))
    if (at->path().extension() == kExtension) files.push_back(at->path());
  if (error) problems.push_back(fmt::format("{}: {}", config.schemas, error.message()));
  if (files.size() > kSchemasMax) {
    problems.push_back(fmt::format("{} has {} schemas, the most are {}", config.schemas,
                                   files.size(), kSchemasMax));
    return parts;
  }
  std::sort(files.begin(), files.end());
  for (const fs::path& file : files) {
    const std::string type = file.stem().string();
    const auto say = [&](std::string_view between, const Error& why) {
      problems.push_back(fmt::format("{}{}{}", file.string(), between, why.detail));
    };
    if (auto named = check_event_type(type, "the name before .json"); !named) {
      say(": ", named.error());
      continue;
    }
    auto text = read_file(file);
    if (!text) {
      say(": ", text.error());
      continue;
    }
    auto compiled = compile(*text, type);
    if (compiled)
      parts->by_type.emplace(type, std::move(compiled).value());
    else
      say(":", compiled.error());  // which begins with the place
  }
  return parts;
}

Result<void> EventSchemas::check(std::string_view event_type, std::string_view payload) {
  const auto found = parts_->by_type.find(event_type);
  if (found == parts_->by_type.end()) {
    if (parts_->unknown == UnknownEvents::allow) return {};
    return {Errc::not_found,
            fmt::format("eventType: {} has no schema, and outbox.unknown_events is "
                        "reject",
                        event_type)};
  }
  const Compiled& compiled = found->second;
  const Json document = Json::parse(payload, nullptr, false);
  if (document.is_discarded()) return {Errc::validation, "payload: is not JSON"};
  if (compiled.matches_text)
    if (const auto place = long_text(document, "payload", parts_->text_bytes_max); !place.empty())
      return {Errc::validation,
              fmt::format("{}: has more than {} octets (outbox.schema_text_bytes_max), the most a "
                          "text may have under a schema with pattern or format",
                          place, parts_->text_bytes_max)};
  valijson::ValidationResults results;
  try {  // std::regex throws when an expression is too complex for a text
    if (parts_->validator.validate(*compiled.schema, Adapter(document), &results)) return {};
  } catch (const std::exception& error) {
    return {Errc::validation, fmt::format("payload: can not be checked: {}", error.what())};
  }
  return {Errc::validation, describe(results)};
}

std::size_t EventSchemas::size() const { return parts_->by_type.size(); }

}  // namespace ringcast
