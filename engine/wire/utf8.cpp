#include "wire/utf8.hpp"

#include <cstddef>
#include <cstring>

namespace ringcast::wire {

namespace {

// The length of the longest front of `bytes` that is ASCII by whole words.
std::size_t ascii_prefix(std::string_view bytes) {
  std::size_t i = 0;
  for (; i + 8 <= bytes.size(); i += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + i, 8);
    if ((word & 0x8080808080808080U) != 0) break;
  }
  return i;
}

}  // namespace

// The table of RFC 3629 section 4: overlong forms, surrogates and what is above U+10FFFF are shut
// out by the range of the second octet.
bool Utf8Validator::begin_character(std::uint8_t byte) {
  low_ = 0x80;
  high_ = 0xbf;
  if (byte < 0x80) return true;
  if (byte < 0xc2 || byte > 0xf4) return false;
  if (byte < 0xe0) {
    needed_ = 1;
  } else if (byte < 0xf0) {
    needed_ = 2;
    if (byte == 0xe0) low_ = 0xa0;
    if (byte == 0xed) high_ = 0x9f;
  } else {
    needed_ = 3;
    if (byte == 0xf0) low_ = 0x90;
    if (byte == 0xf4) high_ = 0x8f;
  }
  return true;
}

bool Utf8Validator::feed(std::string_view bytes) {
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const auto byte = static_cast<std::uint8_t>(bytes[i]);
    if (needed_ != 0) {
      if (byte < low_ || byte > high_) return false;
      low_ = 0x80;
      high_ = 0xbf;
      --needed_;
    } else if (byte < 0x80) {
      i += ascii_prefix(bytes.substr(i + 1));
    } else if (!begin_character(byte)) {
      return false;
    }
  }
  return true;
}

}  // namespace ringcast::wire
