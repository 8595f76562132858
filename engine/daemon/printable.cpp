#include "daemon/printable.hpp"

#include <fmt/format.h>

namespace ringcast {

std::string printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto octet = static_cast<unsigned char>(text[i]);
    const auto next = i + 1 < text.size() ? static_cast<unsigned char>(text[i + 1]) : 0U;
    if (octet < 0x20 || octet == 0x7f)
      out += fmt::format("\\u{:04x}", octet);
    else if (octet == 0xc2 && next >= 0x80 && next < 0xa0)  // C1 in UTF-8
      (out += fmt::format("\\u{:04x}", next)), ++i;
    else
      out += text[i];
  }
  return out;
}

}  // namespace ringcast
