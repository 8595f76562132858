// A publish, before anybody has numbered it.
#pragma once

#include <optional>
#include <string_view>
#include <variant>

#include "base/result.hpp"
#include "message/mail.hpp"

namespace ringcast {

// Validated JSON: a payload that others refer to as well, or a text to be copied.
using PublishData = std::variant<Payload, std::string_view>;

// As a session, a port or the server API asks for it; names and payload are validated. Its text is
// looked at during the call alone.
struct PublishAsk {
  std::string_view room;
  std::string_view type;
  PublishData data;
  std::string_view key;
  std::string_view idempotency_key;
  std::string_view exclude_user;
  std::optional<Uuid> id;  // none: made here
};

// Whether its keys and excluded user are what those may be: the error names the field.
[[nodiscard]] Result<void> check_keys(const PublishAsk& ask);

// As it goes into a batch and comes out of it. `data` is a text.
[[nodiscard]] BatchedPublish batched(const PublishAsk& ask, WallTime time, std::uint64_t tag);
[[nodiscard]] PublishAsk unbatched(const BatchedPublish& ask);

// What it becomes: for the source, where the room's namespace is `store`, else for the room's home.
// `user` is who publishes, empty for the server API and for ports; `time` is when it happens for
// them. Thread: any.
[[nodiscard]] AppendMail append_mail(PublishAsk&& ask, std::string_view user,
                                     const ReplyTo& reply_to);
[[nodiscard]] PublishMail publish_mail(PublishAsk&& ask, WallTime time, std::string_view user,
                                       const ReplyTo& reply_to);

}  // namespace ringcast
