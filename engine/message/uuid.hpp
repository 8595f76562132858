// UUIDs: the identity of events.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ringcast {

// 16 bytes, shown as 36 characters in lower case (RFC 9562 section 4).
struct Uuid {
  std::array<std::uint8_t, 16> bytes{};

  auto operator<=>(const Uuid&) const = default;
  [[nodiscard]] std::string text() const;
  void append_to(std::string& out) const;

  // Upper and lower case; nothing but the 8-4-4-4-12 form.
  [[nodiscard]] static std::optional<Uuid> parse(std::string_view text);
  // Version 4 from the kernel's random numbers. Thread: any.
  [[nodiscard]] static Uuid random();
};

}  // namespace ringcast
