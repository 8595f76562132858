#include "wire/sse.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "wire/http_response.hpp"

namespace ringcast::wire {

namespace {

void append_without_line_ends(std::string& out, std::string_view text) {
  for (const char c : text) out += c == '\r' || c == '\n' || c == '\0' ? ' ' : c;
}

void append_position(std::string& out, const std::optional<Position>& position) {
  if (!position) {
    out += '-';
    return;
  }
  append_without_line_ends(out, position->epoch);
  fmt::format_to(std::back_inserter(out), ".{}", position->offset);
}

// Lines end with CR LF, LF or CR. Events have none, and to see that by memchr is much faster than
// by find_first_of(), which takes an octet at a time.
void append_data(std::string& out, std::string_view data) {
  const bool one_line =
      data.find('\n') == std::string_view::npos && data.find('\r') == std::string_view::npos;
  if (one_line) {
    out += "data: ";
    out += data;
    out += '\n';
    return;
  }
  for (;;) {
    const std::size_t end = data.find_first_of("\r\n");
    out += "data: ";
    out += data.substr(0, end);
    out += '\n';
    if (end == std::string_view::npos) return;
    const bool both = data.substr(end).starts_with("\r\n");
    data.remove_prefix(end + (both ? 2 : 1));
  }
}

bool is_epoch_character(char c) { return c > 0x20 && c < 0x7f && c != '.' && c != ','; }

std::optional<Position> parse_position(std::string_view text) {
  const std::size_t dot = text.find('.');
  if (dot == std::string_view::npos || dot == 0 || dot > kEpochBytesMax) return std::nullopt;
  const std::string_view epoch = text.substr(0, dot);
  const std::string_view digits = text.substr(dot + 1);
  constexpr std::size_t kDigitsMax = 16;  // of 2^53
  if (digits.empty() || digits.size() > kDigitsMax) return std::nullopt;
  if (!std::all_of(epoch.begin(), epoch.end(), is_epoch_character)) return std::nullopt;
  Offset offset = 0;
  for (const char c : digits) {
    if (c < '0' || c > '9') return std::nullopt;
    offset = offset * 10 + static_cast<Offset>(c - '0');
  }
  if (offset > kOffsetMax) return std::nullopt;
  return Position{Epoch(epoch), offset};
}

}  // namespace

void append_sse_event(std::string& out, const std::optional<Position>& position,
                      std::string_view type, std::string_view data) {
  if (position) {
    out += "id: ";
    append_position(out, position);
    out += '\n';
  }
  if (!type.empty()) {
    out += "event: ";
    append_without_line_ends(out, type);
    out += '\n';
  }
  append_data(out, data);
  out += '\n';
}

void append_sse_id(std::string& out, std::span<const std::optional<Position>> positions) {
  out += "id: ";
  for (std::size_t i = 0; i < positions.size(); ++i) {
    if (i != 0) out += ',';
    append_position(out, positions[i]);
  }
  out += "\n\n";
}

void append_sse_retry(std::string& out, Millis delay) {
  fmt::format_to(std::back_inserter(out), "retry: {}\n\n", delay.count());
}

Result<std::vector<std::optional<Position>>> parse_last_event_id(std::string_view text,
                                                                 std::size_t rooms) {
  const Error wrong{Errc::validation,
                    fmt::format("Last-Event-ID: expected {} x `epoch.offset`", rooms)};
  if (rooms == 0 || rooms > kSseRoomsMax) return wrong;
  std::vector<std::optional<Position>> positions;
  for (;;) {
    const std::size_t comma = text.find(',');
    const std::string_view one = text.substr(0, comma);
    if (positions.size() == rooms) return wrong;
    positions.push_back(one == "-" ? std::nullopt : parse_position(one));
    if (!positions.back() && one != "-") return wrong;
    if (comma == std::string_view::npos) break;
    text.remove_prefix(comma + 1);
  }
  if (positions.size() != rooms) return wrong;
  return positions;
}

void append_sse_head(std::string& out,
                     const std::vector<std::pair<std::string, std::string>>& headers) {
  std::vector<std::pair<std::string, std::string>> all{{"Content-Type", "text/event-stream"},
                                                       {"Cache-Control", "no-store"},
                                                       {"X-Accel-Buffering", "no"},
                                                       {"Connection", "close"}};
  all.insert(all.end(), headers.begin(), headers.end());
  append_response_head(out, 200, all);
}

}  // namespace ringcast::wire
