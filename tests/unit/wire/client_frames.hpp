// Frames as a client writes them, right or wrong in any way a test wants.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace ringcast::wire {

inline constexpr std::string_view kTestMask = "\x37\xfa\x21\x3d";

inline std::string masked(std::string_view payload) {
  std::string out(payload);
  for (std::size_t i = 0; i < out.size(); ++i)
    out[i] = static_cast<char>(out[i] ^ kTestMask[i & 3]);
  return out;
}

// A header whose length stands in `length_bytes` octets: 0 (in the second octet), 2 or 8.
inline std::string client_header(unsigned first, std::uint64_t payload_bytes, int length_bytes) {
  std::string out(1, static_cast<char>(first));
  if (length_bytes == 0) out += static_cast<char>(0x80 | payload_bytes);
  if (length_bytes == 2) out += '\xfe';
  if (length_bytes == 8) out += '\xff';
  for (int shift = (length_bytes - 1) * 8; shift >= 0; shift -= 8)
    out += static_cast<char>(payload_bytes >> shift & 0xff);
  return out + std::string(kTestMask);
}

// `first`: FIN, RSV and opcode as one octet.
inline std::string client_frame(unsigned first, std::string_view payload) {
  const int length_bytes = payload.size() <= 125 ? 0 : payload.size() <= 0xffff ? 2 : 8;
  return client_header(first, payload.size(), length_bytes) + masked(payload);
}

}  // namespace ringcast::wire
