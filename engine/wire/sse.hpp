// Server-Sent Events (WHATWG HTML section 9.2): blocks out, Last-Event-ID in.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "message/event.hpp"

namespace ringcast::wire {

inline constexpr std::size_t kSseRoomsMax = 32;
inline constexpr std::size_t kEpochBytesMax = 64;

// Appends `id: epoch.offset`, `event: …`, `data: …` and the empty line. Without a position there is
// no id, with an empty type no event. A line end within `data` begins a further data line; within
// `type` it becomes a space: no field can forge another.
void append_sse_event(std::string& out, const std::optional<Position>& position,
                      std::string_view type, std::string_view data);

// An id-only block: moves the client's Last-Event-ID and fires nothing. Several rooms have one
// position each, in the order of the request's `room` parameters, joined by commas; "-" for a room
// that has none.
void append_sse_id(std::string& out, std::span<const std::optional<Position>> positions);

// The `retry:` field: how long the client waits before it comes back.
void append_sse_retry(std::string& out, Millis delay);

// A comment, which keeps proxies from closing a quiet stream.
inline constexpr std::string_view kSseHeartbeat = ":\n\n";

// Last-Event-ID: what append_sse_id() wrote for exactly `rooms` rooms (1 to kSseRoomsMax). An
// `epoch.offset` has an epoch of 1 to 64 visible ASCII characters without '.' and ',', and an
// offset below 2^53 in decimal digits.
[[nodiscard]] Result<std::vector<std::optional<Position>>> parse_last_event_id(
    std::string_view text, std::size_t rooms);

// The head of a stream: event-stream, never stored, never buffered, ended by closing. `headers` are
// added (CORS).
void append_sse_head(std::string& out,
                     const std::vector<std::pair<std::string, std::string>>& headers);

}  // namespace ringcast::wire
