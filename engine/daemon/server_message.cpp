#include "daemon/server_message.hpp"

#include "protocol/json_fields.hpp"

namespace ringcast {

namespace {

constexpr std::size_t kTextBytesMax = 4'096;

}  // namespace

Result<ServerMessage> decode_server_message(std::string_view json) {
  // The complaints do not matter: a field that is not as expected counts as absent, so that a later
  // daemon may say more than this client knows.
  std::string complaints;
  protocol::JsonFields fields(complaints);
  if (auto read = protocol::read_json_object(json, "a message", fields); !read) return read.error();
  const auto text = [&](std::string_view name) {
    return fields.text(name, kTextBytesMax, protocol::JsonFields::Need::optional);
  };
  const auto number = [&](std::string_view name) { return fields.integer(name, 0, kOffsetMax); };
  ServerMessage message;
  message.type = text("type");
  message.room = text("room");
  message.epoch = text("epoch");
  message.offset = number("offset");
  if (const auto* recovered = fields.find("recovered"))
    message.recovered = recovered->json == "true";
  if (const auto* data = fields.find("data")) message.data = data->json;
  message.from = number("from");
  message.to = number("to");
  message.reason = text("reason");
  message.code = text("code");
  message.message = text("message");
  message.id = number("id");
  message.ping_interval_ms = number("pingIntervalMs");
  return message;
}

}  // namespace ringcast
