#include "protocol/native.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "message/json.hpp"
#include "message/names.hpp"
#include "protocol/json_fields.hpp"

namespace ringcast::protocol {

namespace {

namespace dom = simdjson::dom;

using Need = JsonFields::Need;

bool is_epoch_character(char c) { return c > 0x20 && c < 0x7f && c != '.' && c != ','; }

std::optional<Position> read_recover(JsonFields& fields) {
  const JsonField* recover = fields.find("recover");
  if (recover == nullptr) return std::nullopt;
  dom::object object;
  if (recover->value.get(object) != simdjson::SUCCESS) {
    fields.wrong("recover", "is not an object");
    return std::nullopt;
  }
  JsonFields inner = fields.inside("recover.");
  inner.read(object, {});
  Position position;
  position.offset = inner.integer("offset", 0, kOffsetMax);
  position.epoch = inner.text("epoch", kRequestEpochBytesMax, Need::required);
  if (!std::all_of(position.epoch.begin(), position.epoch.end(), is_epoch_character))
    inner.wrong("epoch", "is not one that the server gave");
  return position;
}

NativeRequest read_publish(JsonFields& fields) {
  PublishRequest publish;
  publish.room = fields.room();
  publish.event = fields.event_type("event");
  if (const JsonField* data = fields.find("data"); data == nullptr) {
    fields.wrong("data", "is missing");
  } else {
    publish.data = own_payload(data->json);  // it was checked with the whole message
  }
  publish.key = fields.text("key", kKeyBytesMax, Need::optional);
  publish.idempotency_key = fields.text("idempotencyKey", kKeyBytesMax, Need::optional);
  publish.exclude_user = fields.user("excludeUser", Need::optional);
  publish.event_id = fields.uuid("eventId");
  return publish;
}

NativeRequest read_call(JsonFields& fields) {
  CallRequest call;
  call.event = fields.call_event("event");
  const JsonField* data = fields.find("data");
  call.data = own_payload(data == nullptr ? "null" : data->json);
  call.idempotency_key = fields.text("idempotencyKey", kKeyBytesMax, Need::optional);
  return call;
}

NativeRequest read_presence(JsonFields& fields) {
  PresenceRequest presence;
  presence.room = fields.room();
  const std::string_view action = fields.text("action", kRequestIdBytesMax, Need::required);
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

NativeRequest read_request(JsonFields& fields) {
  const std::string_view type = fields.text("type", kEventTypeBytesMax, Need::required);
  if (type == "ping") return PingRequest{};
  if (type == "publish") return read_publish(fields);
  if (type == "call") return read_call(fields);
  if (type == "presence") return read_presence(fields);
  if (type == "unsubscribe") return UnsubscribeRequest{std::string(fields.room())};
  if (type == "subscribe") {
    std::string room(fields.room());
    return SubscribeRequest{std::move(room), read_recover(fields)};
  }
  if (type == "auth")
    return AuthRequest{std::string(fields.text("token", kRequestTokenBytesMax, Need::required))};
  if (!type.empty()) fields.wrong("type", "unknown type");
  return PingRequest{};
}

// The JSON text of a good `id`; empty if there is none or it is wrong.
std::string read_id(JsonFields& fields) {
  const JsonField* id = fields.find("id");
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
  std::string problems;
  JsonFields fields(problems);
  if (auto read = read_json_object(text, "the message", fields); !read) return {{}, read.error()};
  std::string id = read_id(fields);
  NativeRequest request = read_request(fields);
  if (!problems.empty()) return {std::move(id), Error{Errc::validation, std::move(problems)}};
  return {std::move(id), std::move(request)};
}

}  // namespace ringcast::protocol
