// The alphabet of rooms, of the parts that data fills in, and of event types
// (docs/native-protocol.md).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace ringcast {

inline constexpr std::size_t kRoomBytesMax = 255;
inline constexpr std::size_t kPartBytesMax = 120;
inline constexpr std::size_t kEventTypeBytesMax = 128;
inline constexpr std::size_t kOwnCodeBytesMax = 64;
inline constexpr std::size_t kKeyBytesMax = 255;  // a conflation key, an idempotency key

// 1-255 octets of UTF-8 without control characters, `*`, leading or trailing colon.
// The error names `field`.
Result<void> check_room(std::string_view room, std::string_view field = "room");

// A part that data fills in (tenant, module, user): [A-Za-z0-9_.~-]{1,120}.
Result<void> check_part(std::string_view part, std::string_view field);

// 1-128 octets of UTF-8 without control characters and not one that only the engine makes.
Result<void> check_event_type(std::string_view type, std::string_view field = "type");

// The same alphabet for what a client calls by name: nothing is reserved, because only the handler
// sees it.
Result<void> check_call_event(std::string_view event, std::string_view field = "event");

// Any text of at most 255 octets; it may be empty.
Result<void> check_key(std::string_view key, std::string_view field);

// A code of an application's own for a call that failed: [A-Z][A-Z0-9_]{0,63}, none of the
// engine's.
Result<void> check_own_code(std::string_view code, std::string_view field = "code");

// The types that only the engine makes: an event must never look like a protocol message.
[[nodiscard]] bool is_reserved_event_type(std::string_view type);

// What stands before the first colon; the whole name if there is none.
[[nodiscard]] std::string_view namespace_of(std::string_view room);

// What stands before the first dot: the module that a subscriber may filter by.
[[nodiscard]] std::string_view module_of(std::string_view event_type);

// Appends the room of a tenant, or of a module of it; both are parts that were checked.
void append_room(std::string& out, std::string_view tenant);
void append_room(std::string& out, std::string_view tenant, std::string_view module);

struct TenantRoom {
  std::string tenant;
  std::string module;  // empty: the tenant's own room
};
[[nodiscard]] Result<TenantRoom> parse_room(std::string_view room);

[[nodiscard]] bool is_valid_utf8(std::string_view text);

}  // namespace ringcast
