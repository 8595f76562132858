#include "protocol/native_frames.hpp"

#include <fmt/format.h>

#include <iterator>

#include "base/ensure.hpp"
#include "message/json.hpp"
#include "message/timestamp.hpp"
#include "wire/websocket_handshake.hpp"

namespace ringcast::protocol {

namespace {

void begin(std::string& out, std::string_view type) {
  out += R"({"type":)";
  append_json_string(out, type);
}

void append_text(std::string& out, std::string_view name, std::string_view value) {
  ((out += ",\"") += name) += "\":";
  append_json_string(out, value);
}

// Its text needs no escapes.
void append_uuid(std::string& out, const Uuid& uuid) {
  out += '"';
  uuid.append_to(out);
  out += '"';
}

void append_number(std::string& out, std::string_view name, std::uint64_t value) {
  ((out += ",\"") += name) += "\":";
  const fmt::format_int digits(value);
  out.append(digits.data(), digits.size());
}

void append_time(std::string& out, std::string_view name, WallTime time) {
  ((out += ",\"") += name) += "\":\"";
  append_timestamp(out, time);
  out += '"';
}

void append_list(std::string& out, std::string_view name, std::span<const std::string> values) {
  ((out += ",\"") += name) += "\":[";
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i != 0) out += ',';
    append_json_string(out, values[i]);
  }
  out += ']';
}

void end(std::string& out, ReplyId id) {
  if (!id.empty()) (out += ",\"id\":") += id;
  out += '}';
}

}  // namespace

void append_event(std::string& out, const Event& event) {
  ensure(!event.data.empty(), "an event without data");
  begin(out, event.type);
  append_text(out, "room", event.room);
  if (event.offset != 0) append_number(out, "offset", event.offset);
  out += R"(,"id":)";
  append_uuid(out, event.id);
  append_time(out, "time", event.time);
  (out += R"(,"data":)") += event.data;
  out += '}';
}

void append_connected(std::string& out, const ConnectedFrame& frame) {
  begin(out, "connected");
  append_text(out, "protocol", wire::kNativeSubprotocol);
  append_text(out, "session", frame.session);
  if (!frame.user.empty()) append_text(out, "user", frame.user);
  if (frame.ping_interval.count() > 0)
    append_number(out, "pingIntervalMs", static_cast<std::uint64_t>(frame.ping_interval.count()));
  if (frame.ends) append_time(out, "expiresAt", *frame.ends);
  out += '}';
}

void append_subscribed(std::string& out, const SubscribedFrame& frame, ReplyId id) {
  begin(out, "subscribed");
  append_text(out, "room", frame.room);
  if (!frame.epoch.empty()) {
    append_number(out, "offset", frame.offset);
    append_text(out, "epoch", frame.epoch);
  }
  if (frame.recovered) out += *frame.recovered ? R"(,"recovered":true)" : R"(,"recovered":false)";
  end(out, id);
}

void append_unsubscribed(std::string& out, std::string_view room, std::string_view reason,
                         ReplyId id) {
  begin(out, "unsubscribed");
  append_text(out, "room", room);
  if (!reason.empty()) append_text(out, "reason", reason);
  end(out, id);
}

void append_published(std::string& out, const PublishedFrame& frame, ReplyId id) {
  out += R"({"type":"published","room":)";
  append_json_string(out, frame.room);
  out += R"(,"id":)";
  if (id.empty())
    append_uuid(out, frame.event_id);
  else
    out += id;
  out += R"(,"eventId":)";
  append_uuid(out, frame.event_id);
  if (frame.offset != 0) append_number(out, "offset", frame.offset);
  if (!frame.epoch.empty()) append_text(out, "epoch", frame.epoch);
  out += '}';
}

void append_pong(std::string& out, ReplyId id) {
  begin(out, "pong");
  end(out, id);
}

void append_renewed(std::string& out, const std::optional<WallTime>& ends, ReplyId id) {
  begin(out, "auth");
  if (ends) append_time(out, "expiresAt", *ends);
  end(out, id);
}

void append_ack(std::string& out, std::string_view data, ReplyId id) {
  ((out += R"({"type":"ack","id":)") += id) += R"(,"ok":true,"data":)";
  (out += data) += '}';
}

void append_failed_ack(std::string& out, const CallError& error, const Uuid& correlation_id,
                       ReplyId id) {
  ((out += R"({"type":"ack","id":)") += id) += R"(,"ok":false)";
  append_text(out, "error", error.code.text());
  append_text(out, "message", error.message);
  out += R"(,"correlationId":)";
  append_uuid(out, correlation_id);
  for (std::size_t i = 0; i < error.fields.size(); ++i) {
    out += i == 0 ? R"(,"fields":{)" : ",";
    append_json_string(out, error.fields[i].field);
    out += ':';
    append_json_string(out, error.fields[i].problem);
  }
  out += error.fields.empty() ? "}" : "}}";
}

void append_error(std::string& out, const Error& error, ReplyId id) {
  begin(out, "error");
  append_text(out, "code", error_code(error.code).code);
  append_text(out, "message", error.detail);
  end(out, id);
}

void append_gap(std::string& out, const GapFrame& frame) {
  begin(out, "gap");
  append_text(out, "room", frame.room);
  if (frame.to != 0) {
    append_number(out, "from", frame.from);
    append_number(out, "to", frame.to);
  }
  append_text(out, "reason", gap_reason_name(frame.reason));
  out += '}';
}

void append_position(std::string& out, const Position& position) {
  begin(out, "position");
  append_text(out, "epoch", position.epoch);
  append_number(out, "offset", position.offset);
  out += '}';
}

void append_presence_update(std::string& out, const PresenceFrame& frame, ReplyId id) {
  begin(out, "presence:update");
  append_text(out, "room", frame.room);
  if (frame.users)
    append_list(out, "users", *frame.users);
  else
    append_number(out, "count", frame.count);
  append_list(out, "joined", frame.joined);
  append_list(out, "left", frame.left);
  end(out, id);
}

void append_presence_page(std::string& out, const PresencePageFrame& frame, ReplyId id) {
  begin(out, "presence:list");
  append_text(out, "room", frame.room);
  append_list(out, "users", frame.users);
  append_number(out, "count", frame.count);
  if (!frame.after.empty()) append_text(out, "after", frame.after);
  end(out, id);
}

}  // namespace ringcast::protocol
