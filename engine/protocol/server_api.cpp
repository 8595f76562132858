#include "protocol/server_api.hpp"

#include <algorithm>
#include <optional>
#include <type_traits>
#include <utility>

#include "message/json.hpp"
#include "message/names.hpp"
#include "protocol/json_fields.hpp"
#include "protocol/native_frames.hpp"

namespace ringcast::protocol {

namespace {

using Need = JsonFields::Need;

constexpr std::uint32_t kPageDefault = 100;
constexpr std::size_t kColumnBytesMax = 4'096;  // the source judges; this only bounds a mail

Payload read_payload(JsonFields& fields, std::string_view name, JsonShape shape) {
  const JsonField* field = fields.find(name);
  if (field == nullptr) {
    fields.wrong(name, "is missing");
    return nullptr;
  }
  auto payload = check_payload(field->json, shape, name);
  if (payload) return std::move(*payload);
  fields.note(payload.error().detail);
  return nullptr;
}

std::uint32_t page_limit(JsonFields& fields, std::uint32_t page_max) {
  return static_cast<std::uint32_t>(
      fields.integer_or("limit", std::min(kPageDefault, page_max), 1, page_max));
}

void append_position_fields(std::string& json, const std::optional<Position>& at) {
  if (!at) return;
  json += R"(,"offset":)" + std::to_string(at->offset);
  append_json_field(json, "epoch", at->epoch);
}

// All of a publish but its room.
PublishBody read_publish_body(JsonFields& fields) {
  PublishBody publish;
  publish.type = fields.event_type("type");
  publish.data = read_payload(fields, "data", JsonShape::any);
  publish.key = fields.text("key", kKeyBytesMax, Need::optional);
  publish.idempotency_key = fields.text("idempotencyKey", kKeyBytesMax, Need::optional);
  publish.exclude_user = fields.user("excludeUser", Need::optional);
  publish.id = fields.uuid("id");
  return publish;
}

// What `read` makes of the fields of a body, unless it complains of one.
template <class Read>
auto decode(std::string_view body, Read read) -> Result<std::invoke_result_t<Read, JsonFields&>> {
  std::string problems;
  JsonFields fields(problems);
  if (auto object = read_json_object(body, "the body", fields); !object) return object.error();
  auto made = read(fields);
  if (!problems.empty()) return Error{Errc::validation, std::move(problems)};
  return made;
}

std::vector<std::string> read_rooms(JsonFields& fields, std::size_t rooms_max) {
  std::vector<std::string> rooms;
  if (fields.elements("rooms", rooms_max).empty()) return rooms;
  for (const auto entry : fields.find("rooms")->value.get_array()) {
    const std::string name = "rooms[" + std::to_string(rooms.size()) + "]";
    std::string_view room;
    if (entry.get(room) != simdjson::SUCCESS)
      fields.wrong(name, "is not a string");
    else if (auto checked = check_room(room, name); !checked)
      fields.note(checked.error().detail);
    rooms.emplace_back(room);
  }
  return rooms;
}

std::optional<Position> read_after(JsonFields& fields) {
  const JsonField* after = fields.find("after");
  if (after == nullptr) return std::nullopt;
  simdjson::dom::object object;
  if (after->value.get(object) != simdjson::SUCCESS) {
    fields.wrong("after", "is not an object with epoch and offset");
    return std::nullopt;
  }
  JsonFields position = fields.inside("after.");
  position.read(object, {});
  const std::string_view epoch = position.text("epoch", kKeyBytesMax, Need::required);
  return Position{std::string(epoch), position.integer("offset", 0, kOffsetMax)};
}

}  // namespace

Result<PublishBody> decode_publish_body(std::string_view body) {
  return decode(body, [](JsonFields& fields) {
    std::string room(fields.room());
    PublishBody publish = read_publish_body(fields);
    publish.room = std::move(room);
    return publish;
  });
}

Result<BroadcastBody> decode_broadcast_body(std::string_view body, std::size_t rooms_max) {
  return decode(body, [rooms_max](JsonFields& fields) {
    BroadcastBody broadcast;
    broadcast.rooms = read_rooms(fields, rooms_max);
    // Each room's event has an id of its own, so that none looks like a repeat of another.
    if (fields.find("id") != nullptr) fields.wrong("id", "can not be given for several rooms");
    broadcast.publish = read_publish_body(fields);
    return broadcast;
  });
}

Result<std::vector<Result<PublishBody>>> decode_batch_body(std::string_view body,
                                                           std::size_t publications_max) {
  const auto texts = decode(body, [publications_max](JsonFields& fields) {
    return fields.elements("publications", publications_max);
  });
  if (!texts) return texts.error();
  std::vector<Result<PublishBody>> publications;
  publications.reserve(texts.value().size());
  for (const std::string_view text : *texts) publications.push_back(decode_publish_body(text));
  return publications;
}

Result<PresenceBody> decode_presence_body(std::string_view body, std::uint32_t page_max) {
  return decode(body, [page_max](JsonFields& fields) {
    PresenceBody ask;
    ask.room = fields.room();
    ask.after = fields.text("after", kKeyBytesMax, Need::optional);
    ask.limit = page_limit(fields, page_max);
    return ask;
  });
}

Result<HistoryAsk> decode_history_body(std::string_view body, std::uint32_t page_max) {
  return decode(body, [page_max](JsonFields& fields) {
    HistoryAsk ask;
    ask.room = fields.room();
    ask.limit = page_limit(fields, page_max);
    ask.after = read_after(fields);
    return ask;
  });
}

Result<RoomsAsk> decode_rooms_body(std::string_view body, std::uint32_t page_max) {
  return decode(body, [page_max](JsonFields& fields) {
    RoomsAsk ask;
    ask.prefix = fields.text("prefix", kRoomBytesMax, Need::optional);
    ask.after = fields.text("after", kRoomBytesMax, Need::optional);
    ask.limit = page_limit(fields, page_max);
    return ask;
  });
}

Result<KickAsk> decode_kick_body(std::string_view body, KickFrom from) {
  return decode(body, [from](JsonFields& fields) {
    KickAsk ask;
    ask.user = fields.user("user", Need::required);
    if (from == KickFrom::room) ask.room = fields.room();
    return ask;
  });
}

std::string encode_presence(const PresenceListMail& page) {
  std::string json = R"({"room":)";
  append_json_string(json, page.room);
  json += R"(,"users":[)";
  for (std::size_t i = 0; i < page.users.size(); ++i) {
    if (i != 0) json += ',';
    append_json_string(json, page.users[i]);
  }
  json += R"(],"count":)" + std::to_string(page.count);
  if (!page.next.empty()) append_json_field(json, "after", page.next);
  json += '}';
  return json;
}

std::string encode_history(const HistoryPage& page) {
  std::string json = R"({"room":)";
  append_json_string(json, page.room);
  json += R"(,"events":[)";
  for (std::size_t i = 0; i < page.events.size(); ++i) {
    if (i != 0) json += ',';
    append_event(json, *page.events[i]);
  }
  json += ']';
  append_position_fields(json, page.top);
  json += page.complete ? R"(,"complete":true)" : R"(,"complete":false)";
  if (page.more) json += R"(,"after":)" + std::to_string(page.events.back()->offset);
  json += '}';
  return json;
}

std::string encode_rooms(const RoomsPage& page) {
  std::string json = R"({"rooms":[)";
  for (std::size_t i = 0; i < page.rooms.size(); ++i) {
    const RoomRow& row = page.rooms[i];
    json += i == 0 ? R"({"room":)" : R"(,{"room":)";
    append_json_string(json, row.room);
    json += R"(,"subscribers":)" + std::to_string(row.subscribers);
    json += R"(,"history":)" + std::to_string(row.history);
    append_position_fields(json, row.at);
    json += '}';
  }
  json += ']';
  if (page.more) append_json_field(json, "after", page.rooms.back().room);
  json += '}';
  return json;
}

std::string encode_answers(std::span<const std::string> answers) {
  std::string json = R"({"answers":[)";
  for (std::size_t i = 0; i < answers.size(); ++i) {
    if (i != 0) json += ',';
    json += answers[i];
  }
  json += "]}";
  return json;
}

std::string encode_refused(std::string_view room, const Error& error) {
  std::string json = "{";
  if (!room.empty()) append_json_field(json, "room", room);
  append_json_field(json, "error", error_code(error.code).code);
  append_json_field(json, "message", error.detail);
  json += '}';
  return json;
}

std::string encode_published_in(std::string_view room, const Appended& outcome) {
  std::string json = R"({"room":)";
  append_json_string(json, room);
  return json += "," + encode_published(outcome).substr(1);
}

std::string encode_published(const Appended& outcome) {
  std::string json = "{";
  append_json_field(json, "id", outcome.id.text());
  if (outcome.offset) {
    json += ",\"offset\":" + std::to_string(*outcome.offset);
    append_json_field(json, "epoch", outcome.epoch);
  }
  json += '}';
  return json;
}

Result<PlainRow> decode_outbox_body(std::string_view body) {
  return decode(body, [](JsonFields& fields) {
    PlainRow row;
    row.event_id = Uuid::random();
    EnvelopeKey key;
    key.tenant_id = fields.text("tenantId", kColumnBytesMax, Need::required);
    key.aggregate_type = fields.text("aggregateType", kColumnBytesMax, Need::required);
    key.aggregate_id = fields.text("aggregateId", kColumnBytesMax, Need::required);
    row.event_type = fields.text("eventType", kColumnBytesMax, Need::required);
    row.data = read_payload(fields, "payload", JsonShape::object);
    row.envelope = std::move(key);
    return row;
  });
}

}  // namespace ringcast::protocol
