#include "hub/publish_ask.hpp"

#include <span>
#include <string>
#include <utility>

namespace ringcast {

AppendMail append_mail(PublishAsk&& ask, std::string_view user, const ReplyTo& reply_to) {
  return {PlainRow{ask.id ? *ask.id : Uuid::random(),
                   std::string(ask.room),
                   std::string(ask.type),
                   std::move(ask.data),
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
  const Event fields{id, {}, ask.type, {}, time, ask.exclude_user, ask.key, 0};
  return {make_events(fields, std::span(&ask.room, 1), std::move(ask.data)), reply_to,
          std::string(user), std::string(ask.idempotency_key), ask.id.has_value()};
}

}  // namespace ringcast
