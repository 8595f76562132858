#include "auth/base64url.hpp"

#include <array>
#include <cstdint>

namespace ringcast {

namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

constexpr std::array<std::int8_t, 256> kValues = [] {
  std::array<std::int8_t, 256> values{};
  values.fill(-1);
  for (std::size_t i = 0; i < kAlphabet.size(); ++i)
    values[static_cast<unsigned char>(kAlphabet[i])] = static_cast<std::int8_t>(i);
  return values;
}();

}  // namespace

std::optional<std::string> decode_base64url(std::string_view text) {
  std::string octets;
  octets.reserve(text.size() / 4 * 3 + 2);
  std::uint32_t bits = 0;
  unsigned bits_held = 0;
  for (const char c : text) {
    const int value = kValues[static_cast<unsigned char>(c)];
    if (value < 0) return std::nullopt;
    bits = bits << 6 | static_cast<std::uint32_t>(value);
    bits_held += 6;
    if (bits_held < 8) continue;
    bits_held -= 8;
    octets += static_cast<char>(bits >> bits_held & 0xff);
    bits &= (1U << bits_held) - 1;
  }
  // Six bits left over are a single character, which can not hold an octet.
  if (bits_held == 6 || bits != 0) return std::nullopt;
  return octets;
}

std::string encode_base64url(std::string_view octets) {
  std::string text;
  text.reserve(octets.size() / 3 * 4 + 3);
  std::uint32_t bits = 0;
  unsigned bits_held = 0;
  for (const char c : octets) {
    bits = (bits << 8 | static_cast<unsigned char>(c)) & 0xffff;
    bits_held += 8;
    while (bits_held >= 6) {
      bits_held -= 6;
      text += kAlphabet[bits >> bits_held & 63];
    }
  }
  if (bits_held != 0) text += kAlphabet[bits << (6 - bits_held) & 63];
  return text;
}

}  // namespace ringcast
