#include "message/envelope.hpp"

#include <fmt/format.h>

#include <string>
#include <string_view>

#include "message/json.hpp"
#include "message/names.hpp"
#include "message/timestamp.hpp"

namespace ringcast {

namespace {

constexpr std::string_view kInvalid = "invalid";
constexpr std::string_view kTooLarge = "too_large";
constexpr std::string_view kReservedType = "reserved_type";
constexpr std::size_t kUuidTextBytes = 36;

FailedRow failed(const OutboxRow& row, std::string_view reason, std::string error) {
  // Whatever stands in event_id is only for the reader of the report.
  const bool readable = row.event_id.size() <= kUuidTextBytes && is_valid_utf8(row.event_id);
  return {row.id, readable ? row.event_id : "", std::string(reason), std::move(error)};
}

Result<void> check_text(std::string_view text, std::size_t bytes_max, std::string_view field) {
  if (text.empty()) return {Errc::validation, fmt::format("{}: is empty", field)};
  if (text.size() > bytes_max)
    return {Errc::validation,
            fmt::format("{}: has more than {} octets, the most there may be", field, bytes_max)};
  if (!is_valid_utf8(text)) return {Errc::validation, fmt::format("{}: is not UTF-8", field)};
  return {};
}

Result<void> check_receivers(std::string_view exclude_user, std::string_view conflation_key) {
  if (!exclude_user.empty())
    if (auto checked = check_part(exclude_user, "excludeUser"); !checked) return checked;
  if (!conflation_key.empty())
    return check_text(conflation_key, kConflationKeyBytesMax, "conflationKey");
  return {};
}

std::string too_large(std::string_view what, std::uint64_t bytes, const EnvelopeLimits& limits) {
  return fmt::format("{}: has {} octets, the most there may be are {}", what, bytes,
                     limits.bytes_max);
}

Result<void> check_aggregate(std::string_view tenant_id, std::string_view type,
                             std::string_view id) {
  if (auto checked = check_part(tenant_id, "tenantId"); !checked) return checked;
  if (auto checked = check_text(type, kAggregateBytesMax, "aggregateType"); !checked)
    return checked;
  return check_text(id, kAggregateBytesMax, "aggregateId");
}

Result<void> check_origin(const OutboxRow& row) {
  if (row.version != kEventVersion)
    return {Errc::validation,
            fmt::format("version: is {}, expected {}", row.version, kEventVersion)};
  return check_aggregate(row.tenant_id, row.aggregate_type, row.aggregate_id);
}

Result<std::vector<std::string>> rooms_of(const OutboxRow& row) {
  std::vector<std::string> rooms;
  if (row.room) {
    if (auto checked = check_room(*row.room); !checked) return checked.error();
    rooms.push_back(*row.room);
    return rooms;
  }
  if (row.kind == OutboxRow::Kind::plain)
    return {Errc::validation, "room: is missing, a plain row needs one"};
  auto tenant = room_for(row.tenant_id);
  if (!tenant) return tenant.error();
  auto module = room_for(row.tenant_id, module_of(row.event_type));
  if (!module) return module.error();
  rooms.push_back(std::move(tenant).value());
  rooms.push_back(std::move(module).value());
  return rooms;
}

// The payload's only copy is made here, once it was checked.
std::string envelope_json(const OutboxRow& row, const Uuid& id, WallTime occurred_at) {
  constexpr std::size_t kFieldNamesBytes = 256;
  static_assert(kEventVersion == 1);
  std::string out;
  out.reserve(kFieldNamesBytes + row.tenant_id.size() + row.aggregate_type.size() +
              row.aggregate_id.size() + row.event_type.size() + row.payload.size());
  out += R"({"id":")";
  id.append_to(out);
  out += R"(","version":1,"tenantId":)";
  append_json_string(out, row.tenant_id);
  out += R"(,"aggregateType":)";
  append_json_string(out, row.aggregate_type);
  out += R"(,"aggregateId":)";
  append_json_string(out, row.aggregate_id);
  out += R"(,"occurredAt":")";
  append_timestamp(out, occurred_at);
  out += R"(","eventType":)";
  append_json_string(out, row.event_type);
  out += R"(,"payload":)";
  append_payload(out, row.payload);
  out += '}';
  return out;
}

// The first rule of `row` that is broken, payload excepted.
Result<void> check_fields(const OutboxRow& row) {
  if (auto checked = check_event_type(row.event_type, "eventType"); !checked) return checked;
  if (row.kind == OutboxRow::Kind::envelope)
    if (auto checked = check_origin(row); !checked) return checked;
  return check_receivers(row.exclude_user, row.conflation_key);
}

}  // namespace

std::variant<RowEvents, FailedRow> events_of(const OutboxRow& row, const EnvelopeLimits& limits) {
  // Before all else: the payload of such a row was not even fetched.
  if (row.payload_bytes > limits.bytes_max)
    return failed(row, kTooLarge, too_large("payload", row.payload_bytes, limits));
  const auto id = Uuid::parse(row.event_id);
  if (!id) return failed(row, kInvalid, "id: is not a UUID in its 8-4-4-4-12 form");
  if (auto checked = check_fields(row); !checked)
    return failed(row, is_reserved_event_type(row.event_type) ? kReservedType : kInvalid,
                  checked.error().detail);
  const auto rooms = rooms_of(row);
  if (!rooms) return failed(row, kInvalid, rooms.error().detail);
  const auto occurred_at = parse_timestamp(row.occurred_at);
  if (!occurred_at) return failed(row, kInvalid, "occurredAt: is not a timestamp of RFC 3339");

  const bool is_envelope = row.kind == OutboxRow::Kind::envelope;
  if (auto checked =
          check_json(row.payload, is_envelope ? JsonShape::object : JsonShape::any, "payload");
      !checked)
    return failed(row, kInvalid, checked.error().detail);
  const Payload data =
      is_envelope ? std::make_shared<const std::string>(envelope_json(row, *id, *occurred_at))
                  : own_payload(row.payload);
  if (data->size() > limits.bytes_max)
    return failed(row, kTooLarge,
                  too_large(is_envelope ? "envelope" : "payload", data->size(), limits));

  RowEvents out{{}, data->size(), data->size() > limits.bytes_warn};
  out.events.reserve(rooms.value().size());
  for (const std::string& room : rooms.value())
    out.events.push_back({*id, room, row.event_type, data, *occurred_at, row.exclude_user,
                          row.conflation_key, row.offset});
  return out;
}

Result<void> check_plain_row(const PlainRow& row, const EnvelopeLimits& limits) {
  if (auto checked = check_event_type(row.event_type); !checked) return checked;
  if (row.envelope) {
    const EnvelopeKey& key = *row.envelope;
    if (auto checked = check_aggregate(key.tenant_id, key.aggregate_type, key.aggregate_id);
        !checked)
      return checked;
    if (auto checked = check_part(module_of(row.event_type), "module"); !checked) return checked;
  } else if (auto checked = check_room(row.room); !checked) {
    return checked;
  }
  if (auto checked = check_receivers(row.exclude_user, row.conflation_key); !checked)
    return checked;
  if (row.data->size() > limits.bytes_max)
    return {Errc::payload_too_large, too_large("data", row.data->size(), limits)};
  return {};
}

}  // namespace ringcast
