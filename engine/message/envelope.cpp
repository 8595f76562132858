#include "message/envelope.hpp"

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>

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
  std::string id;
  if (row.event_id)
    id = row.event_id->text();
  else if (row.event_id_text.size() <= kUuidTextBytes && is_valid_utf8(row.event_id_text))
    id = row.event_id_text;
  return {row.id, std::move(id), std::string(reason), std::move(error)};
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

using Rooms = boost::container::static_vector<std::string_view, kRoomsOfRowMax>;

// After check_fields(). `text` holds the names that are made up here: the tenant's begins that of
// its module.
Result<Rooms> rooms_of(const OutboxRow& row, std::string& text) {
  if (row.room) {
    if (auto checked = check_room(*row.room); !checked) return checked.error();
    return Rooms{*row.room};
  }
  if (row.kind == OutboxRow::Kind::plain)
    return {Errc::validation, "room: is missing, a plain row needs one"};
  const std::string_view module = module_of(row.event_type);
  if (auto checked = check_part(module, "module"); !checked) return checked.error();
  text.clear();
  append_room(text, row.tenant_id, module);
  return Rooms{std::string_view(text).substr(0, text.size() - module.size() - 1), text};
}

void write_envelope(std::string& out, const OutboxRow& row, const Uuid& id, WallTime occurred_at) {
  static_assert(kEventVersion == 1);
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
  if (!row.event_id) return failed(row, kInvalid, "id: is not a UUID in its 8-4-4-4-12 form");
  if (auto checked = check_fields(row); !checked)
    return failed(row, is_reserved_event_type(row.event_type) ? kReservedType : kInvalid,
                  checked.error().detail);
  // Here until make_events() has copied it: memory for it is allocated once a thread.
  thread_local std::string room_text;
  thread_local std::string data;
  const auto rooms = rooms_of(row, room_text);
  if (!rooms) return failed(row, kInvalid, rooms.error().detail);
  if (!row.occurred_at) return failed(row, kInvalid, "occurredAt: is not a timestamp of RFC 3339");

  const bool is_envelope = row.kind == OutboxRow::Kind::envelope;
  if (auto checked =
          check_json(row.payload, is_envelope ? JsonShape::object : JsonShape::any, "payload");
      !checked)
    return failed(row, kInvalid, checked.error().detail);
  data.clear();
  if (is_envelope)
    write_envelope(data, row, *row.event_id, *row.occurred_at);
  else
    append_payload(data, row.payload);
  if (data.size() > limits.bytes_max)
    return failed(row, kTooLarge,
                  too_large(is_envelope ? "envelope" : "payload", data.size(), limits));

  const NewEvent events = make_events({*row.event_id,
                                       {},
                                       row.event_type,
                                       data,
                                       *row.occurred_at,
                                       row.exclude_user,
                                       row.conflation_key,
                                       row.offset,
                                       row.written},
                                      *rooms);
  RowEvents out{{}, data.size(), data.size() > limits.bytes_warn};
  for (std::size_t i = 0; i < rooms->size(); ++i) out.events.emplace_back(events, events.get() + i);
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
