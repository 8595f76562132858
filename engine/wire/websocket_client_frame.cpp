#include "wire/websocket_client_frame.hpp"

#include "base/ensure.hpp"

namespace ringcast::wire {

namespace {

std::uint8_t octet(std::string_view bytes, std::size_t at) {
  return static_cast<std::uint8_t>(bytes[at]);
}

ServerFrameVerdict refused(std::string_view problem) {
  return {ServerFrameVerdict::Kind::refused, {}, problem};
}

}  // namespace

void append_client_frame(std::string& out, WebsocketOpcode opcode, std::string_view payload,
                         const FrameMask& mask) {
  ensure(opcode < WebsocketOpcode::close || payload.size() <= kControlPayloadBytesMax,
         "a control frame with more than 125 octets");
  FrameHeaderBytes header = encode_frame_header(opcode, payload.size());
  header.bytes[1] = static_cast<char>(header.bytes[1] | static_cast<char>(kMasked));
  out += header.view();
  out.append(mask.data(), mask.size());
  const std::size_t begin = out.size();
  out += payload;
  unmask({out.data() + begin, payload.size()}, mask, 0);
}

ServerFrameVerdict decode_server_frame(std::string_view bytes, std::size_t payload_bytes_max) {
  if (bytes.empty()) return {};
  const std::uint8_t first = octet(bytes, 0);
  const std::uint8_t opcode = first & 0x0f;
  const bool control = opcode >= 0x8;
  if ((first & kReservedBits) != 0) return refused("a frame has reserved bits");
  if (opcode > 0xa || (opcode > 0x2 && !control)) return refused("a frame has an unknown opcode");
  if (control && (first & kFinal) == 0) return refused("a control frame comes in pieces");
  if (bytes.size() < 2) return {};

  if ((octet(bytes, 1) & kMasked) != 0) return refused("a frame is masked");
  std::uint64_t payload_bytes = octet(bytes, 1) & 0x7f;
  std::size_t header_bytes = 2;
  if (payload_bytes > kControlPayloadBytesMax) {
    if (control) return refused("a control frame is longer than 125 octets");
    header_bytes = payload_bytes == 126 ? 4 : 10;
    if (bytes.size() < header_bytes) return {};
    payload_bytes = 0;
    for (std::size_t i = 2; i < header_bytes; ++i)
      payload_bytes = payload_bytes << 8 | octet(bytes, i);
    if (frame_header_size(payload_bytes) != header_bytes)
      return refused("a frame's length is not in the shortest form");
  }
  if (payload_bytes > payload_bytes_max) return refused("a frame is too large");
  if (bytes.size() - header_bytes < payload_bytes) return {};
  return {ServerFrameVerdict::Kind::whole,
          {static_cast<WebsocketOpcode>(opcode), (first & kFinal) != 0,
           bytes.substr(header_bytes, payload_bytes), header_bytes + payload_bytes},
          {}};
}

}  // namespace ringcast::wire
