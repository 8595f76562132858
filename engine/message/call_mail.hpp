// Mail between shards and the application: it goes to a port, and its answers come back through the
// port's Sender.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "message/call.hpp"
#include "message/reply_to.hpp"

namespace ringcast {

struct Identity;  // auth/identity.hpp

// Its place in the table of what the application answers (hub/handlers.hpp).
struct HandlerIndex {
  std::uint32_t value = 0;
  auto operator<=>(const HandlerIndex&) const = default;
};

// A client's call. Whoever takes it owes one CallAnswerMail to the caller's shard; it comes to
// nothing when it is later than app.answer_ms.
struct CallMail {
  ReplyTo caller;  // for the answer, as it is
  HandlerIndex handler;
  std::shared_ptr<const Identity> identity;
  std::shared_ptr<const RoomSet> rooms;  // that the connection has joined
  Payload data;
  std::string idempotency_key;  // empty: none
  Uuid correlation_id;          // of the ack, if it fails, and of the log
  WallTime time{};              // when it was read from the client
};

struct CallAnswerMail {
  ReplyTo caller;
  CallResult result;
};

// What the application decides, or is told, about a connection.
enum class HookKind : std::uint8_t {
  session_token,  // who has this token? Before the upgrade, or when a connection renews its own
  connect,        // may this identity connect?
  authorize,      // may it subscribe to this room?
  disconnect,     // it is gone; nothing is answered
};
inline constexpr std::size_t kHookKinds = 4;

[[nodiscard]] constexpr std::string_view hook_name(HookKind kind) {
  switch (kind) {
    case HookKind::session_token:
      return "session_token";
    case HookKind::connect:
      return "connect";
    case HookKind::authorize:
      return "authorize";
    case HookKind::disconnect:
      return "disconnect";
  }
  return "";
}

// As a CallMail, but for HookKind::disconnect, which nothing answers.
struct HookMail {
  ReplyTo caller;
  HandlerIndex handler;
  HookKind kind = HookKind::connect;
  std::shared_ptr<const Identity> identity;  // null: not known yet
  std::string subject;                       // the token, the room, or why the connection ended
  Uuid correlation_id;
};

// The identity is that of a session token; to `connect` it may replace the one of the connection.
// Null: as it is. The error of a refusal is shown to the client.
struct HookAnswerMail {
  ReplyTo caller;
  Result<std::shared_ptr<const Identity>> verdict = Error{};
};

}  // namespace ringcast
