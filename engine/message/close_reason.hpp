// Why the engine ends a connection: one table of code, text, and whether coming back makes sense.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ringcast {

enum class CloseReason : std::uint8_t {
  normal,
  going_away,
  protocol_error,
  unsupported_data,
  invalid_utf8,
  broken_compression,
  policy,
  message_too_large,
  internal_error,
  restart,
  token_expired,
  token_refused,
  too_many_errors,
  slow_consumer,
  no_pong,
  idle,
  kicked,
  refused,
};
inline constexpr std::size_t kCloseReasons = static_cast<std::size_t>(CloseReason::refused) + 1;

struct CloseRow {
  std::uint16_t code;     // RFC 6455 section 7.4; 4000-4999 are ours
  std::string_view text;  // at most 123 octets; also the `reason` label of metrics
  bool reconnect;         // may the client try again with the same request?
};

[[nodiscard]] constexpr CloseRow close_row(CloseReason reason) {
  switch (reason) {
    case CloseReason::normal:
      return {1000, "normal", false};
    case CloseReason::going_away:
      return {1001, "server stops", true};
    case CloseReason::protocol_error:
      return {1002, "protocol error", false};
    case CloseReason::unsupported_data:
      return {1003, "binary messages are not understood", false};
    case CloseReason::invalid_utf8:
      return {1007, "invalid UTF-8", false};
    case CloseReason::broken_compression:
      return {1007, "not a compressed message", false};
    case CloseReason::policy:
      return {1008, "policy", false};
    case CloseReason::message_too_large:
      return {1009, "message too large", false};
    case CloseReason::internal_error:
      return {1011, "internal error", true};
    case CloseReason::restart:
      return {1012, "server restarts", true};
    case CloseReason::token_expired:
      return {4001, "token expired", true};
    case CloseReason::token_refused:
      return {4002, "token refused", false};
    case CloseReason::too_many_errors:
      return {4003, "too many errors", false};
    case CloseReason::slow_consumer:
      return {4004, "too slow: send queue is full", true};
    case CloseReason::no_pong:
      return {4005, "no pong in time", true};
    case CloseReason::idle:
      return {4006, "idle", true};
    case CloseReason::kicked:
      return {4007, "disconnected by the server", false};
    case CloseReason::refused:
      return {4008, "refused by the application", false};
  }
  return {1011, "internal error", true};
}

}  // namespace ringcast
