// JSON at the borders: whole validation on entry, quoting on the way out. simdjson does the
// reading.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "message/event.hpp"

namespace ringcast {

inline constexpr std::size_t kJsonDepthMax = 32;

enum class JsonShape { any, object };

// Validates `text` whole: syntax, UTF-8, depth <= 32, numbers in range.
// The error names `field`, the position and what simdjson said. Thread: any (a parser each).
[[nodiscard]] Result<void> check_json(std::string_view text, JsonShape shape,
                                      std::string_view field);

// check_json(), and the one owned copy of it, minified if it holds a raw CR or LF, so that it fits
// into an SSE line.
[[nodiscard]] Result<Payload> check_payload(std::string_view text, JsonShape shape,
                                            std::string_view field);

// The same copy of a text that is known to be valid: a value of a document that was validated.
[[nodiscard]] Payload own_payload(std::string_view text);
void append_payload(std::string& out, std::string_view text);
// What they copy, where it is a piece of `text`; nothing where that has to be minified.
[[nodiscard]] std::optional<std::string_view> payload_within(std::string_view text);

// Appends `text` as a JSON string with quotes. `text` is valid UTF-8.
void append_json_string(std::string& out, std::string_view text);

// One field: ,"name":"value" (without the comma where `out` ends with '{').
void append_json_field(std::string& out, std::string_view name, std::string_view value);

}  // namespace ringcast
