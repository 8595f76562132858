// A message of the native protocol as a client reads it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "message/event.hpp"

namespace ringcast {

// The fields that `ringcast sub` looks at; what a message does not have is empty. A value.
struct ServerMessage {
  std::string type;
  std::string room;
  std::string epoch;
  Offset offset = 0;
  std::optional<bool> recovered;
  std::string data;  // JSON; not empty: it is an event
  std::uint64_t from = 0;
  std::uint64_t to = 0;
  std::string reason;
  std::string code;
  std::string message;
  std::uint64_t id = 0;  // of the request that it answers, as a number; 0: none, or a text
  std::uint64_t ping_interval_ms = 0;

  [[nodiscard]] bool is_event() const { return !data.empty(); }
};

// Fields that are absent or of another type are left empty; the error: not a JSON object.
// Thread: any.
[[nodiscard]] Result<ServerMessage> decode_server_message(std::string_view json);

}  // namespace ringcast
