#include "protocol/json_fields.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "message/json.hpp"
#include "message/names.hpp"

namespace ringcast::protocol {

namespace {

namespace dom = simdjson::dom;

// Buffers grow to the largest message seen, which message_bytes_max bounds; one a thread is enough.
dom::parser& parser() {
  thread_local dom::parser instance;
  return instance;
}

constexpr std::size_t kUuidTextBytes = 36;

bool is_json_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

// Walks over the values of an object's or array's text, which is valid JSON: simdjson's tree has no
// way back from a value to the octets it was read from, and those are what passes on.
class ValueSpans {
 public:
  explicit ValueSpans(std::string_view text) : text_(text), at_(text.find_first_of("{[") + 1) {}

  // The octets of the next field's value.
  [[nodiscard]] std::string_view next() {
    skip_name();
    while (text_[at_] != ':') ++at_;
    ++at_;
    return value();
  }

  // The octets of an array's next value; there is one.
  [[nodiscard]] std::string_view next_element() {
    if (text_[at_] == ',') ++at_;
    return value();
  }

  // How many levels the deepest value so far has.
  [[nodiscard]] std::size_t depth() const { return deepest_; }

 private:
  std::string_view value() {
    while (is_json_space(text_[at_])) ++at_;
    const std::size_t begin = at_;
    skip_value();
    std::size_t end = at_;
    while (is_json_space(text_[end - 1])) --end;
    return text_.substr(begin, end - begin);
  }

  // To behind the quote that ends it. Names are short: a walk is sooner there than memchr.
  void skip_name() {
    while (text_[at_] != '"') ++at_;
    for (++at_; text_[at_] != '"'; ++at_)
      if (text_[at_] == '\\') ++at_;
    ++at_;
  }

  // To behind the next quote that no backslash escapes: most strings have one quote, and memchr
  // finds it sooner than a walk.
  void skip_string() {
    for (;;) {
      at_ = text_.find('"', at_ + 1);
      const std::size_t before = text_.find_last_not_of('\\', at_ - 1);
      if ((at_ - before) % 2 == 1) break;
    }
    ++at_;
  }

  // Up to the comma, brace or bracket that ends a value at the top.
  void skip_value() {
    for (std::size_t depth = 0;;) {
      const char c = text_[at_];
      if (depth == 0 && (c == ',' || c == '}' || c == ']')) return;
      if (c == '"') {
        skip_string();
        continue;
      }
      if (c == '{' || c == '[') deepest_ = std::max(deepest_, ++depth);
      if (c == '}' || c == ']') --depth;
      ++at_;
    }
  }

  std::string_view text_;
  std::size_t at_;
  std::size_t deepest_ = 0;
};

}  // namespace

void JsonFields::read(dom::object object, std::string_view text) {
  ValueSpans spans(text);
  for (const auto field : object) {
    if (size_ == fields_.size())
      return note(fmt::format("there are more than {} fields", kJsonFieldsMax));
    if (find(field.key) != nullptr) wrong(shown(field.key), "stands twice");
    fields_[size_++] = {field.key, field.value, text.empty() ? text : spans.next()};
  }
  // simdjson counts an empty innermost object or array one level less than one that holds
  // something.
  if (spans.depth() + 1 > kJsonDepthMax)
    note(fmt::format("nested deeper than {} levels", kJsonDepthMax));
}

const JsonField* JsonFields::find(std::string_view name) const {
  const auto* end = fields_.data() + size_;
  const auto* found =
      std::find_if(fields_.data(), end, [&](const JsonField& field) { return field.name == name; });
  return found == end ? nullptr : found;
}

void JsonFields::wrong(std::string_view name, std::string_view what) {
  note(fmt::format("{}{}: {}", prefix_, name, what));
}

void JsonFields::note(std::string_view problem) {
  if (!problems_.empty()) problems_ += "; ";
  problems_ += problem;
}

std::string_view JsonFields::text(std::string_view name, std::size_t bytes_max, Need need) {
  const JsonField* field = find(name);
  if (field == nullptr) {
    if (need == Need::required) wrong(name, "is missing");
    return {};
  }
  std::string_view value;
  if (field->value.get(value) != simdjson::SUCCESS) {
    wrong(name, "is not a string");
  } else if (value.empty() || value.size() > bytes_max) {
    wrong(name, fmt::format("has {} octets, expected 1 to {}", value.size(), bytes_max));
  } else {
    return value;
  }
  return {};
}

std::uint64_t JsonFields::integer(std::string_view name, std::uint64_t least, std::uint64_t most) {
  const JsonField* field = find(name);
  std::uint64_t value = 0;
  if (field == nullptr) {
    wrong(name, "is missing");
  } else if (field->value.get(value) != simdjson::SUCCESS || value < least || value > most) {
    wrong(name, fmt::format("is not an integer from {} to {}", least, most));
  } else {
    return value;
  }
  return least;
}

std::uint64_t JsonFields::integer_or(std::string_view name, std::uint64_t otherwise,
                                     std::uint64_t least, std::uint64_t most) {
  return find(name) == nullptr ? otherwise : integer(name, least, most);
}

std::vector<std::string_view> JsonFields::elements(std::string_view name, std::size_t most) {
  const JsonField* field = find(name);
  dom::array array;
  if (field == nullptr) {
    wrong(name, "is missing");
  } else if (field->value.get(array) != simdjson::SUCCESS) {
    wrong(name, "is not an array");
  } else if (array.size() == 0 || array.size() > most) {
    wrong(name, fmt::format("has {} entries, expected 1 to {}", array.size(), most));
  } else {
    ValueSpans spans(field->json);
    std::vector<std::string_view> texts(array.size());
    for (std::string_view& text : texts) text = spans.next_element();
    return texts;
  }
  return {};
}

std::string_view JsonFields::room() {
  const std::string_view room = text("room", kRoomBytesMax, Need::required);
  if (room.empty()) return room;
  if (auto checked = check_room(room); !checked) note(checked.error().detail);
  return room;
}

std::string_view JsonFields::call_event(std::string_view name) {
  const std::string_view event = text(name, kEventTypeBytesMax, Need::required);
  if (event.empty()) return event;
  if (auto checked = check_call_event(event, name); !checked) note(checked.error().detail);
  return event;
}

std::string_view JsonFields::event_type(std::string_view name) {
  const std::string_view type = text(name, kEventTypeBytesMax, Need::required);
  if (type.empty()) return type;
  if (auto checked = check_event_type(type, name); !checked) note(checked.error().detail);
  return type;
}

std::string_view JsonFields::user(std::string_view name, Need need) {
  const std::string_view user = text(name, kPartBytesMax, need);
  if (user.empty()) return user;
  if (auto checked = check_part(user, name); !checked) note(checked.error().detail);
  return user;
}

std::optional<Uuid> JsonFields::uuid(std::string_view name) {
  if (find(name) == nullptr) return std::nullopt;
  const auto uuid = Uuid::parse(text(name, kUuidTextBytes, Need::required));
  if (!uuid) wrong(name, "is not a UUID");
  return uuid;
}

// A name that the client made up is repeated only while it is short.
std::string_view JsonFields::shown(std::string_view name) {
  return name.size() <= kJsonFieldNameBytesMax ? name : "a field with a long name";
}

Result<void> read_json_object(std::string_view text, std::string_view what, JsonFields& fields) {
  auto& json = parser();
  if (json.capacity() < text.size() || json.max_depth() != kJsonDepthMax + 1) {
    const std::size_t capacity = std::max<std::size_t>(text.size(), 4'096);
    if (json.allocate(capacity, kJsonDepthMax + 1) != simdjson::SUCCESS)
      return {Errc::unavailable, fmt::format("no memory to read {}", what)};
  }
  dom::element root;
  if (const auto error = json.parse(text.data(), text.size(), true).get(root))
    return {Errc::validation,
            fmt::format("{} is not valid JSON: {}", what, simdjson::error_message(error))};
  dom::object object;
  if (root.get(object) != simdjson::SUCCESS)
    return {Errc::validation, fmt::format("{} is not a JSON object", what)};
  fields.read(object, text);
  return {};
}

}  // namespace ringcast::protocol
