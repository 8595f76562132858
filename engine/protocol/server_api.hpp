// Bodies of the server API (interfaces: HTTP). Pure codec.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "message/admin.hpp"
#include "message/event.hpp"
#include "message/mail.hpp"
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

// Body of POST /api/broadcast: one publish for several rooms; `publish.room` is empty.
struct BroadcastBody {
  std::vector<std::string> rooms;
  PublishBody publish;
};
[[nodiscard]] Result<BroadcastBody> decode_broadcast_body(std::string_view body,
                                                          std::size_t rooms_max);

// Body of POST /api/batch: each publication is right or wrong on its own.
[[nodiscard]] Result<std::vector<Result<PublishBody>>> decode_batch_body(
    std::string_view body, std::size_t publications_max);

// Body of POST /api/presence. A `limit` is 1 to page_max, here and below.
struct PresenceBody {
  std::string room;
  std::string after;
  std::uint32_t limit = 0;
};
[[nodiscard]] Result<PresenceBody> decode_presence_body(std::string_view body,
                                                        std::uint32_t page_max);

// Bodies of POST /api/history, /api/rooms, /api/disconnect and /api/unsubscribe.
[[nodiscard]] Result<HistoryAsk> decode_history_body(std::string_view body, std::uint32_t page_max);
[[nodiscard]] Result<RoomsAsk> decode_rooms_body(std::string_view body, std::uint32_t page_max);
enum class KickFrom : std::uint8_t { everywhere, room };
[[nodiscard]] Result<KickAsk> decode_kick_body(std::string_view body, KickFrom from);

// {"room":R,"users":[…],"count":n,"after":…?}
[[nodiscard]] std::string encode_presence(const PresenceListMail& page);
// {"room":R,"events":[…],"offset":n?,"epoch":e?,"complete":b,"after":n?}, events as clients get
// them
[[nodiscard]] std::string encode_history(const HistoryPage& page);
// {"rooms":[{"room":R,"subscribers":n,"history":n,"offset":n?,"epoch":e?}…],"after":…?}
[[nodiscard]] std::string encode_rooms(const RoomsPage& page);
// {"answers":[…]} of what each publication was answered.
[[nodiscard]] std::string encode_answers(std::span<const std::string> answers);
// {"room":R?,"error":CODE,"message":…}: an answer among others.
[[nodiscard]] std::string encode_refused(std::string_view room, const Error& error);
// {"room":R,"id":…,"offset":n?,"epoch":e?}
[[nodiscard]] std::string encode_published_in(std::string_view room, const Appended& outcome);

// {"id":…,"offset":n?,"epoch":e?}
[[nodiscard]] std::string encode_published(const Appended& outcome);

// Body of POST /dev/outbox, which only `ringcastd dev` has: a row as an application would write it
// ({"tenantId", "aggregateType", "aggregateId", "eventType", "payload"}). Its fields are judged as
// those of any row are: by the source, after the commit.
[[nodiscard]] Result<PlainRow> decode_outbox_body(std::string_view body);

}  // namespace ringcast::protocol
