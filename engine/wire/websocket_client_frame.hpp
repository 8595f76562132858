// WebSocket frames as a client writes and reads them (RFC 6455 section 5): for `ringcast sub`.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "wire/websocket_frame.hpp"

namespace ringcast::wire {

using FrameMask = std::array<char, 4>;

// Appends a whole frame, masked as a client's have to be (section 5.3). `mask` is to be new and not
// to be guessed for each frame. A control frame of more than 125 octets is our own mistake.
void append_client_frame(std::string& out, WebsocketOpcode opcode, std::string_view payload,
                         const FrameMask& mask);

struct ServerFrame {
  WebsocketOpcode opcode = WebsocketOpcode::continuation;
  bool final = false;
  std::string_view payload;     // into the input
  std::size_t frame_bytes = 0;  // header and payload
};

struct ServerFrameVerdict {
  enum class Kind : std::uint8_t { partial, whole, refused };
  Kind kind = Kind::partial;
  ServerFrame frame;         // of `whole`
  std::string_view problem;  // of `refused`: what is wrong, for a person
};

// The frame at the front of `bytes`. Refused as soon as the octets that are there can not begin a
// legal one: RSV bits or an unknown opcode (5.2), a mask (5.1), a control frame that is long or in
// pieces (5.5), a length that is not the shortest, a payload of more than `payload_bytes_max`.
// The verdict is the same however the octets arrive. Thread: any.
[[nodiscard]] ServerFrameVerdict decode_server_frame(std::string_view bytes,
                                                     std::size_t payload_bytes_max);

}  // namespace ringcast::wire
