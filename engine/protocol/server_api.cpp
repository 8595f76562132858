#include "protocol/server_api.hpp"

#include <utility>

#include "message/json.hpp"
#include "message/names.hpp"
#include "protocol/json_fields.hpp"

namespace ringcast::protocol {

namespace {

using Need = JsonFields::Need;

constexpr std::size_t kKeyBytesMax = 255;
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

}  // namespace

Result<PublishBody> decode_publish_body(std::string_view body) {
  std::string problems;
  JsonFields fields(problems);
  if (auto read = read_json_object(body, "the body", fields); !read) return read.error();
  PublishBody publish;
  publish.room = fields.room();
  publish.type = fields.event_type("type");
  publish.data = read_payload(fields, "data", JsonShape::any);
  publish.key = fields.text("key", kKeyBytesMax, Need::optional);
  publish.idempotency_key = fields.text("idempotencyKey", kKeyBytesMax, Need::optional);
  publish.exclude_user = fields.text("excludeUser", kPartBytesMax, Need::optional);
  if (!publish.exclude_user.empty())
    if (auto checked = check_part(publish.exclude_user, "excludeUser"); !checked)
      fields.note(checked.error().detail);
  if (fields.find("id") != nullptr) {
    publish.id = Uuid::parse(fields.text("id", 36, Need::required));
    if (!publish.id) fields.wrong("id", "is not a UUID");
  }
  if (!problems.empty()) return {Errc::validation, std::move(problems)};
  return publish;
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
  std::string problems;
  JsonFields fields(problems);
  if (auto read = read_json_object(body, "the body", fields); !read) return read.error();
  PlainRow row;
  row.event_id = Uuid::random();
  EnvelopeKey key;
  key.tenant_id = fields.text("tenantId", kColumnBytesMax, Need::required);
  key.aggregate_type = fields.text("aggregateType", kColumnBytesMax, Need::required);
  key.aggregate_id = fields.text("aggregateId", kColumnBytesMax, Need::required);
  row.event_type = fields.text("eventType", kColumnBytesMax, Need::required);
  row.data = read_payload(fields, "payload", JsonShape::object);
  if (!problems.empty()) return {Errc::validation, std::move(problems)};
  row.envelope = std::move(key);
  return row;
}

}  // namespace ringcast::protocol
