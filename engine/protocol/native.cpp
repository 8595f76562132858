#include "protocol/native.hpp"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <utility>

#include "message/json.hpp"
#include "message/names.hpp"

namespace ringcast::protocol {

namespace {

namespace dom = simdjson::dom;

enum class Need { required, optional };

// Buffers grow to the largest message seen, which message_bytes_max bounds; one a thread is enough.
dom::parser& parser() {
  thread_local dom::parser instance;
  return instance;
}

bool is_json_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

// Walks over the values of an object's text, which is valid JSON: simdjson's tree has no way back
// from a value to the octets it was read from, and those are what passes on.
class ValueSpans {
 public:
  explicit ValueSpans(std::string_view text) : text_(text), at_(text.find('{') + 1) {}

  // The octets of the next field's value.
  [[nodiscard]] std::string_view next() {
    at_ = text_.find('"', at_);
    skip_string();
    at_ = text_.find(':', at_) + 1;
    while (is_json_space(text_[at_])) ++at_;
    const std::size_t begin = at_;
    skip_value();
    std::size_t end = at_;
    while (is_json_space(text_[end - 1])) --end;
    return text_.substr(begin, end - begin);
  }

  // How many levels the deepest value so far has.
  [[nodiscard]] std::size_t depth() const { return deepest_; }

 private:
  void skip_string() {
    for (++at_; text_[at_] != '"'; ++at_)
      if (text_[at_] == '\\') ++at_;
    ++at_;
  }

  // Up to the comma or brace that ends a value at the top.
  void skip_value() {
    for (std::size_t depth = 0;;) {
      const char c = text_[at_];
      if (depth == 0 && (c == ',' || c == '}')) return;
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

struct Field {
  std::string_view name;
  dom::element value;
  std::string_view json;  // only of the outermost object
};

// The fields of one object, and every complaint about them. At most kRequestFieldsMax, because to
// find what stands twice costs the square of it.
class Fields {
 public:
  // `prefix` goes before the names in complaints.
  explicit Fields(std::string& problems, std::string prefix = {})
      : problems_(problems), prefix_(std::move(prefix)) {}

  void read(dom::object object, std::string_view text) {
    ValueSpans spans(text);
    for (const auto field : object) {
      if (size_ == fields_.size())
        return note(fmt::format("there are more than {} fields", kRequestFieldsMax));
      if (find(field.key) != nullptr) wrong(shown(field.key), "stands twice");
      fields_[size_++] = {field.key, field.value, text.empty() ? text : spans.next()};
    }
    // simdjson counts an empty innermost object or array one level less than one that holds
    // something.
    if (spans.depth() + 1 > kJsonDepthMax)
      note(fmt::format("the message is nested deeper than {} levels", kJsonDepthMax));
  }

  [[nodiscard]] const Field* find(std::string_view name) const {
    const auto* end = fields_.data() + size_;
    const auto* found =
        std::find_if(fields_.data(), end, [&](const Field& field) { return field.name == name; });
    return found == end ? nullptr : found;
  }

  void wrong(std::string_view name, std::string_view what) {
    note(fmt::format("{}{}: {}", prefix_, name, what));
  }

  void note(std::string_view problem) {
    if (!problems_.empty()) problems_ += "; ";
    problems_ += problem;
  }

  // A string of 1 to bytes_max octets; empty where it is wrong, or optional and absent.
  [[nodiscard]] std::string text(std::string_view name, std::size_t bytes_max, Need need) {
    const Field* field = find(name);
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
      return std::string(value);
    }
    return {};
  }

  // An integer from least to most; `least` where it is wrong.
  [[nodiscard]] std::uint64_t integer(std::string_view name, std::uint64_t least,
                                      std::uint64_t most) {
    const Field* field = find(name);
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

  [[nodiscard]] std::string room() {
    std::string room = text("room", kRoomBytesMax, Need::required);
    if (room.empty()) return room;
    if (auto checked = check_room(room); !checked) note(checked.error().detail);
    return room;
  }

 private:
  // A name that the client made up is repeated only while it is short.
  static std::string_view shown(std::string_view name) {
    return name.size() <= kRequestIdBytesMax ? name : "a field with a long name";
  }

  std::array<Field, kRequestFieldsMax> fields_;
  std::size_t size_ = 0;
  std::string& problems_;
  std::string prefix_;
};

bool is_epoch_character(char c) { return c > 0x20 && c < 0x7f && c != '.' && c != ','; }

std::optional<Position> read_recover(Fields& fields, std::string& problems) {
  const Field* recover = fields.find("recover");
  if (recover == nullptr) return std::nullopt;
  dom::object object;
  if (recover->value.get(object) != simdjson::SUCCESS) {
    fields.wrong("recover", "is not an object");
    return std::nullopt;
  }
  Fields inner(problems, "recover.");
  inner.read(object, {});
  Position position;
  position.offset = inner.integer("offset", 0, kOffsetMax);
  position.epoch = inner.text("epoch", kRequestEpochBytesMax, Need::required);
  if (!std::all_of(position.epoch.begin(), position.epoch.end(), is_epoch_character))
    inner.wrong("epoch", "is not one that the server gave");
  return position;
}

NativeRequest read_publish(Fields& fields) {
  PublishRequest publish;
  publish.room = fields.room();
  publish.event = fields.text("event", kEventTypeBytesMax, Need::required);
  if (!publish.event.empty())
    if (auto checked = check_event_type(publish.event, "event"); !checked)
      fields.note(checked.error().detail);
  if (const Field* data = fields.find("data"); data == nullptr) {
    fields.wrong("data", "is missing");
  } else if (auto payload = check_payload(data->json, JsonShape::any, "data"); !payload) {
    fields.note(payload.error().detail);
  } else {
    publish.data = std::move(*payload);
  }
  publish.key = fields.text("key", kRequestKeyBytesMax, Need::optional);
  publish.idempotency_key = fields.text("idempotencyKey", kRequestKeyBytesMax, Need::optional);
  return publish;
}

NativeRequest read_presence(Fields& fields) {
  PresenceRequest presence;
  presence.room = fields.room();
  const std::string action = fields.text("action", kRequestIdBytesMax, Need::required);
  if (action == "join") {
    presence.action = PresenceAction::join;
  } else if (action == "leave") {
    presence.action = PresenceAction::leave;
  } else if (action != "list" && !action.empty()) {
    fields.wrong("action", "is not `join`, `leave` or `list`");
  }
  if (fields.find("limit") != nullptr)
    presence.limit = static_cast<std::uint32_t>(fields.integer("limit", 1, kPresencePageMax));
  presence.after = fields.text("after", kRequestUserBytesMax, Need::optional);
  return presence;
}

NativeRequest read_request(Fields& fields, std::string& problems) {
  const std::string type = fields.text("type", kEventTypeBytesMax, Need::required);
  if (type == "ping") return PingRequest{};
  if (type == "publish") return read_publish(fields);
  if (type == "presence") return read_presence(fields);
  if (type == "unsubscribe") return UnsubscribeRequest{fields.room()};
  if (type == "subscribe") {
    std::string room = fields.room();
    return SubscribeRequest{std::move(room), read_recover(fields, problems)};
  }
  if (type == "auth")
    return AuthRequest{fields.text("token", kRequestTokenBytesMax, Need::required)};
  if (!type.empty()) fields.wrong("type", "unknown type");
  return PingRequest{};
}

// The JSON text of a good `id`; empty if there is none or it is wrong.
std::string read_id(Fields& fields) {
  const Field* id = fields.find("id");
  if (id == nullptr) return {};
  std::string_view text;
  const bool good = id->value.get(text) == simdjson::SUCCESS
                        ? text.size() <= kRequestIdBytesMax
                        : id->value.is_int64() || id->value.is_uint64();
  if (good) return std::string(id->json);
  fields.wrong("id", "is not an integer or a string of at most 128 octets");
  return {};
}

}  // namespace

NativeMessage decode_native(std::string_view text) {
  auto& json = parser();
  const auto refused = [](std::string why) {
    return NativeMessage{{}, Error{Errc::validation, std::move(why)}};
  };
  if (json.capacity() < text.size() || json.max_depth() != kJsonDepthMax + 1) {
    const std::size_t capacity = std::max<std::size_t>(text.size(), 4'096);
    if (json.allocate(capacity, kJsonDepthMax + 1) != simdjson::SUCCESS)
      return {{}, Error{Errc::unavailable, "no memory to read the message"}};
  }
  dom::element root;
  if (const auto error = json.parse(text.data(), text.size(), true).get(root))
    return refused(fmt::format("the message is not valid JSON: {}", error_message(error)));
  dom::object object;
  if (root.get(object) != simdjson::SUCCESS) return refused("the message is not a JSON object");

  std::string problems;
  Fields fields(problems);
  fields.read(object, text);
  std::string id = read_id(fields);
  NativeRequest request = read_request(fields, problems);
  if (!problems.empty()) return {std::move(id), Error{Errc::validation, std::move(problems)}};
  return {std::move(id), std::move(request)};
}

}  // namespace ringcast::protocol
