#include "message/call_fields.hpp"

#include <fmt/format.h>
#include <simdjson.h>

#include <utility>

namespace ringcast {

namespace {

namespace dom = simdjson::dom;

bool is_in(FieldRange range, std::size_t size) {
  const auto value = static_cast<std::int64_t>(size);
  return value >= range.least && value <= range.most;
}

std::string expected(FieldRange range) {
  constexpr FieldRange kAny;
  if (range.most == kAny.most) return fmt::format("at least {}", range.least);
  if (range.least == kAny.least) return fmt::format("at most {}", range.most);
  return fmt::format("{} to {}", range.least, range.most);
}

std::string_view type_of(dom::element element) {
  switch (element.type()) {
    case dom::element_type::ARRAY:
      return "a list";
    case dom::element_type::OBJECT:
      return "an object";
    case dom::element_type::STRING:
      return "a text";
    case dom::element_type::BOOL:
      return "true or false";
    default:
      return "a number";
  }
}

}  // namespace

// simdjson's, which no application has to include.
struct CallFields::Document {
  dom::parser parser;
  std::optional<dom::object> object;

  // None: it is not there, or null.
  [[nodiscard]] std::optional<dom::element> find(std::string_view name) const {
    dom::element found;
    if (!object || object->at_key(name).get(found) != simdjson::SUCCESS || found.is_null())
      return std::nullopt;
    return found;
  }
};

CallFields::CallFields(std::string_view json) : document_(std::make_unique<Document>()) {
  dom::object object;
  if (document_->parser.parse(json.data(), json.size(), true).get(object) == simdjson::SUCCESS)
    document_->object = object;
  else
    wrong("data", "is not an object");
}

CallFields::~CallFields() = default;

bool CallFields::has(std::string_view name) const { return document_->find(name).has_value(); }

CallFields& CallFields::wrong(std::string_view name, std::string_view what) {
  problems_.push_back({std::string(name), std::string(what)});
  return *this;
}

std::optional<CallError> CallFields::error() const {
  if (problems_.empty()) return std::nullopt;
  return CallError{Errc::validation, "the data is not what this call takes", problems_};
}

CallFields& CallFields::read(std::string_view name, std::string& to, FieldRange octets) {
  const auto found = document_->find(name);
  if (!found) return wrong(name, "is missing");
  std::string_view text;
  if (found->get(text) != simdjson::SUCCESS)
    return wrong(name, fmt::format("is {}, expected a text", type_of(*found)));
  if (!is_in(octets, text.size()))
    return wrong(name, fmt::format("has {} octets, expected {}", text.size(), expected(octets)));
  to = text;
  return *this;
}

CallFields& CallFields::read(std::string_view name, bool& to) {
  const auto found = document_->find(name);
  if (!found) return wrong(name, "is missing");
  if (found->get(to) != simdjson::SUCCESS)
    return wrong(name, fmt::format("is {}, expected true or false", type_of(*found)));
  return *this;
}

CallFields& CallFields::read(std::string_view name, std::int64_t& to, FieldRange value) {
  const auto found = document_->find(name);
  if (!found) return wrong(name, "is missing");
  std::int64_t number = 0;
  if (found->get(number) != simdjson::SUCCESS)
    return wrong(name, found->is_number()
                           ? "is not a whole number of 64 bits"
                           : fmt::format("is {}, expected a whole number", type_of(*found)));
  if (number < value.least || number > value.most)
    return wrong(name, fmt::format("is {}, expected {}", number, expected(value)));
  to = number;
  return *this;
}

CallFields& CallFields::read(std::string_view name, double& to) {
  const auto found = document_->find(name);
  if (!found) return wrong(name, "is missing");
  if (found->get(to) != simdjson::SUCCESS)
    return wrong(name, fmt::format("is {}, expected a number", type_of(*found)));
  return *this;
}

CallFields& CallFields::read(std::string_view name, std::vector<std::string>& to,
                             FieldRange entries, FieldRange octets) {
  const auto found = document_->find(name);
  if (!found) return wrong(name, "is missing");
  dom::array array;
  if (found->get(array) != simdjson::SUCCESS)
    return wrong(name, fmt::format("is {}, expected a list of texts", type_of(*found)));
  std::vector<std::string> texts;
  for (const dom::element element : array) {
    const std::string entry = fmt::format("{}[{}]", name, texts.size());
    std::string_view text = texts.emplace_back();
    if (element.get(text) != simdjson::SUCCESS)
      wrong(entry, "is not a text");
    else if (!is_in(octets, text.size()))
      wrong(entry, fmt::format("has {} octets, expected {}", text.size(), expected(octets)));
    else
      texts.back() = text;
  }
  if (!is_in(entries, texts.size()))
    return wrong(name, fmt::format("has {} entries, expected {}", texts.size(), expected(entries)));
  to = std::move(texts);
  return *this;
}

CallFields& CallFields::read_json(std::string_view name, std::string& to) {
  const auto found = document_->find(name);
  if (!found) return wrong(name, "is missing");
  to = simdjson::minify(*found);
  return *this;
}

}  // namespace ringcast
