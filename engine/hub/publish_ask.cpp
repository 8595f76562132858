#include "hub/publish_ask.hpp"

#include <span>
#include <string>
#include <utility>

#include "message/json.hpp"
#include "message/names.hpp"

namespace ringcast {

namespace {

Payload payload_of(PublishData&& data) {
  if (auto* shared = std::get_if<Payload>(&data)) return std::move(*shared);
  return own_payload(*std::get_if<std::string_view>(&data));
}

}  // namespace

Result<void> check_keys(const PublishAsk& ask) {
  if (ask.key.empty() && ask.idempotency_key.empty() && ask.exclude_user.empty()) return {};
  if (auto good = check_key(ask.key, "key"); !good) return good;
  if (auto good = check_key(ask.idempotency_key, "idempotencyKey"); !good) return good;
  return ask.exclude_user.empty() ? Result<void>{} : check_part(ask.exclude_user, "excludeUser");
}

BatchedPublish batched(const PublishAsk& ask, WallTime time, std::uint64_t tag) {
  return {ask.room,
          ask.type,
          *std::get_if<std::string_view>(&ask.data),
          ask.key,
          ask.idempotency_key,
          ask.exclude_user,
          ask.id,
          time,
          tag};
}

PublishAsk unbatched(const BatchedPublish& ask) {
  return {ask.room, ask.type, ask.data, ask.key, ask.idempotency_key, ask.exclude_user, ask.id};
}

AppendMail append_mail(PublishAsk&& ask, std::string_view user, const ReplyTo& reply_to) {
  return {PlainRow{ask.id ? *ask.id : Uuid::random(),
                   std::string(ask.room),
                   std::string(ask.type),
                   payload_of(std::move(ask.data)),
                   std::string(ask.exclude_user),
                   std::string(ask.key),
                   std::string(user),
                   std::string(ask.idempotency_key),
                   ask.id.has_value(),
                   {}},
          reply_to};
}

PublishMail publish_mail(PublishAsk&& ask, WallTime time, std::string_view user,
                         const ReplyTo& reply_to) {
  const Uuid id = ask.id ? *ask.id : Uuid::random();
  Event fields{id, {}, ask.type, {}, time, ask.exclude_user, ask.key, 0};
  Payload payload;
  // A text that stays as it is lies behind the event, in the same allocation.
  const auto* text = std::get_if<std::string_view>(&ask.data);
  const auto within = text == nullptr ? std::nullopt : payload_within(*text);
  if (within)
    fields.data = *within;
  else
    payload = payload_of(std::move(ask.data));
  return {make_events(fields, std::span(&ask.room, 1), std::move(payload)), reply_to,
          std::string(user), std::string(ask.idempotency_key), ask.id.has_value()};
}

}  // namespace ringcast
