// The native protocol, client to server: JSON text messages (docs/native-protocol.md). Pure codec.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/result.hpp"
#include "message/event.hpp"

namespace ringcast::protocol {

inline constexpr std::size_t kRequestIdBytesMax = 128;    // of a string `id`, decoded
inline constexpr std::size_t kRequestEpochBytesMax = 64;  // visible ASCII without '.' and ','
inline constexpr std::size_t kRequestUserBytesMax = 255;  // `after` of a presence list
inline constexpr std::size_t kRequestTokenBytesMax = 16'384;
inline constexpr std::uint32_t kPresencePageMax = 1'000;  // `limit` of a presence list
inline constexpr std::uint32_t kPresencePageDefault = 100;

struct SubscribeRequest {
  std::string room;
  std::optional<Position> recover;
};

struct UnsubscribeRequest {
  std::string room;
};

// Its text lies in the parser: it is good until this thread decodes something else.
struct PublishRequest {
  std::string_view room;
  std::string_view event;
  Payload data;
  std::string_view key;              // empty: none
  std::string_view idempotency_key;  // empty: none
  // Of servers alone, which show an API key.
  std::optional<Uuid> event_id;
  std::string_view exclude_user;  // empty: none
};

// For a handler of the application. Its text lies in the parser, as that of a publish.
struct CallRequest {
  std::string_view event;
  Payload data;                      // `null` where the client gave none
  std::string_view idempotency_key;  // empty: none
};

enum class PresenceAction : std::uint8_t { join, leave, list };

struct PresenceRequest {
  PresenceAction action = PresenceAction::list;
  std::string room;
  std::uint32_t limit = kPresencePageDefault;  // of a list: 1 to kPresencePageMax
  std::string after;                           // of a list: the last user of the page before
};

struct PingRequest {};

struct AuthRequest {
  std::string token;
};

using NativeRequest = std::variant<SubscribeRequest, UnsubscribeRequest, PublishRequest,
                                   PresenceRequest, PingRequest, AuthRequest, CallRequest>;

// One client message. `id` is known also where the rest is wrong, so that the error can carry it.
struct NativeMessage {
  std::string id;  // JSON text of its `id`, to be repeated as it is; empty: none
  Result<NativeRequest> request;
};

// Reads one client message. It is validated whole (depth <= 32); names are checked by
// message/names.hpp. The error (Errc::validation) names every field that is missing or wrong.
// Fields that are not known are ignored; one that stands twice is wrong, known or not.
// Thread: any (a parser each). The caller bounds `text` by message_bytes_max.
[[nodiscard]] NativeMessage decode_native(std::string_view text);

}  // namespace ringcast::protocol
