// Bodies of the server API (interfaces: HTTP). Pure codec.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "message/event.hpp"
#include "message/outbox_row.hpp"

namespace ringcast::protocol {

// Body of POST /api/publish.
struct PublishBody {
  std::string room;
  std::string type;
  Payload data;  // `null` if missing
  std::optional<Uuid> id;
  std::string key;
  std::string exclude_user;
  std::string idempotency_key;
};

// Validates the body whole; the error (Errc::validation) names every field that is missing, wrong,
// unknown or there twice. Thread: any.
[[nodiscard]] Result<PublishBody> decode_publish_body(std::string_view body);

// {"id":…,"offset":n?,"epoch":e?}
[[nodiscard]] std::string encode_published(const Appended& outcome);

// Body of POST /dev/outbox, which only `ringcastd dev` has: a row as an application would write it
// ({"tenantId", "aggregateType", "aggregateId", "eventType", "payload"}). Its fields are judged as
// those of any row are: by the source, after the commit.
[[nodiscard]] Result<PlainRow> decode_outbox_body(std::string_view body);

}  // namespace ringcast::protocol
