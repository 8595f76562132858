// UTF-8 in pieces (RFC 3629): says "wrong" at the first octet that no continuation can save.
#pragma once

#include <cstdint>
#include <string_view>

namespace ringcast::wire {

// Thread: its owner's. Four bytes of state, no heap.
class Utf8Validator {
 public:
  // False from the first wrong octet on; then start anew with a fresh one.
  [[nodiscard]] bool feed(std::string_view bytes);

  // Does the text end at the end of a character?
  [[nodiscard]] bool at_boundary() const { return needed_ == 0; }

 private:
  [[nodiscard]] bool begin_character(std::uint8_t byte);

  std::uint8_t needed_ = 0;  // continuation octets that are missing
  std::uint8_t low_ = 0x80;  // what the next of them may be
  std::uint8_t high_ = 0xbf;
};

}  // namespace ringcast::wire
