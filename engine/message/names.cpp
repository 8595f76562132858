#include "message/names.hpp"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <array>

namespace ringcast {

namespace {

constexpr std::string_view kReserved[] = {"connected", "subscribed", "unsubscribed", "published",
                                          "error",     "ping",       "pong",         "gap",
                                          "position",  "ack",        "call",         "auth"};

constexpr std::string_view kTenantPrefix = "tenant:";

bool is_control(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte < 0x20 || byte == 0x7f;
}

constexpr std::array<bool, 256> part_characters() {
  std::array<bool, 256> is{};
  for (const unsigned char c : std::string_view("ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                                "abcdefghijklmnopqrstuvwxyz0123456789_.~-"))
    is[c] = true;
  return is;
}

constexpr std::array<bool, 256> kIsPartCharacter = part_characters();

bool is_part_character(char c) { return kIsPartCharacter[static_cast<unsigned char>(c)]; }

Error invalid(std::string_view field, std::string_view what) {
  return {Errc::validation, fmt::format("{}: {}", field, what)};
}

// C1 controls are two octets in UTF-8: C2 80 to C2 9F.
bool has_control(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (is_control(text[i])) return true;
    if (static_cast<unsigned char>(text[i]) == 0xc2 && i + 1 < text.size() &&
        static_cast<unsigned char>(text[i + 1]) < 0xa0)
      return true;
  }
  return false;
}

// Most names are, and then both questions about their characters are answered in one pass.
bool is_printable_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

Result<void> check_characters(std::string_view name, std::string_view field) {
  if (is_printable_ascii(name)) return {};
  if (!is_valid_utf8(name)) return invalid(field, "is not valid UTF-8");
  if (has_control(name)) return invalid(field, "contains a control character");
  return {};
}

}  // namespace

bool is_valid_utf8(std::string_view text) {
  return simdjson::validate_utf8(text.data(), text.size());
}

Result<void> check_room(std::string_view room, std::string_view field) {
  if (room.empty()) return invalid(field, "is empty, expected 1 to 255 octets");
  if (room.size() > kRoomBytesMax)
    return invalid(field, fmt::format("has {} octets, expected 1 to 255", room.size()));
  if (room.front() == ':' || room.back() == ':')
    return invalid(field, "begins or ends with a colon");
  if (room.find('*') != std::string_view::npos)
    return invalid(field, "contains '*', which stands only in grants");
  return check_characters(room, field);
}

Result<void> check_part(std::string_view part, std::string_view field) {
  if (part.empty() || part.size() > kPartBytesMax)
    return invalid(field, fmt::format("has {} characters, expected 1 to 120", part.size()));
  if (!std::all_of(part.begin(), part.end(), is_part_character))
    return invalid(field, "has a character outside A-Z a-z 0-9 _ . ~ -");
  return {};
}

bool is_reserved_event_type(std::string_view type) {
  return std::find(std::begin(kReserved), std::end(kReserved), type) != std::end(kReserved) ||
         type.starts_with("presence:") || type.starts_with("ringcast:");
}

Result<void> check_own_code(std::string_view code, std::string_view field) {
  const auto legal = [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  };
  if (code.empty() || code.size() > kOwnCodeBytesMax)
    return invalid(field, fmt::format("has {} characters, expected 1 to 64", code.size()));
  if (code[0] < 'A' || code[0] > 'Z' || !std::all_of(code.begin(), code.end(), legal))
    return invalid(field, "expected A-Z, then A-Z 0-9 _");
  if (errc_of(code)) return invalid(field, fmt::format("{} is the engine's, expected Errc", code));
  return {};
}

Result<void> check_call_event(std::string_view event, std::string_view field) {
  if (event.empty() || event.size() > kEventTypeBytesMax)
    return invalid(field, fmt::format("has {} octets, expected 1 to 128", event.size()));
  return check_characters(event, field);
}

Result<void> check_key(std::string_view key, std::string_view field) {
  if (key.size() <= kKeyBytesMax) return {};
  return invalid(field, fmt::format("has {} octets, at most 255", key.size()));
}

Result<void> check_event_type(std::string_view type, std::string_view field) {
  if (auto checked = check_call_event(type, field); !checked) return checked;
  if (is_reserved_event_type(type))
    return invalid(field, fmt::format("'{}' is reserved for the engine's own messages", type));
  return {};
}

std::string_view namespace_of(std::string_view room) { return room.substr(0, room.find(':')); }

std::string_view module_of(std::string_view event_type) {
  return event_type.substr(0, event_type.find('.'));
}

void append_room(std::string& out, std::string_view tenant) { (out += kTenantPrefix) += tenant; }

void append_room(std::string& out, std::string_view tenant, std::string_view module) {
  append_room(out, tenant);
  (out += ':') += module;
}

Result<TenantRoom> parse_room(std::string_view room) {
  if (!room.starts_with(kTenantPrefix))
    return invalid("room", "is no tenant's: expected 'tenant:{id}'");
  const std::string_view rest = room.substr(kTenantPrefix.size());
  const std::size_t colon = rest.find(':');
  TenantRoom parsed{std::string(rest.substr(0, colon)), ""};
  if (auto checked = check_part(parsed.tenant, "tenantId"); !checked) return checked.error();
  if (colon != std::string_view::npos) {
    parsed.module = rest.substr(colon + 1);
    if (auto checked = check_part(parsed.module, "module"); !checked) return checked.error();
  }
  return parsed;
}

}  // namespace ringcast
