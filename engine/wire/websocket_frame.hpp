// WebSocket frames as bytes (RFC 6455 section 5.2): headers both ways, masking, close payloads.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "message/close_reason.hpp"

namespace ringcast::wire {

// RFC 6455 section 11.8; what is not named here is reserved.
enum class WebsocketOpcode : std::uint8_t {
  continuation = 0x0,
  text = 0x1,
  binary = 0x2,
  close = 0x8,
  ping = 0x9,
  pong = 0xa,
};

// RFC 6455 section 5.2: bits of a frame's first octet, and of its second.
inline constexpr std::uint8_t kFinal = 0x80;
inline constexpr std::uint8_t kReservedBits = 0x70;
inline constexpr std::uint8_t kCompressed = 0x40;  // RSV1, if permessage-deflate is negotiated
inline constexpr std::uint8_t kMasked = 0x80;

inline constexpr std::size_t kControlPayloadBytesMax = 125;  // RFC 6455 section 5.5
inline constexpr std::size_t kCloseTextBytesMax = kControlPayloadBytesMax - 2;
inline constexpr std::size_t kClientHeaderBytesMax = 14;
inline constexpr std::uint16_t kNoCloseCode = 1005;  // stands for "none", never on the wire

// ---- from the server: never masked, never fragmented ----

// Octets of the header of a server's frame: the shortest length form is the only legal one.
[[nodiscard]] constexpr std::size_t frame_header_size(std::uint64_t payload_bytes) {
  if (payload_bytes <= 125) return 2;
  return payload_bytes <= 0xffff ? 4 : 10;
}

struct FrameHeaderBytes {
  std::array<char, 10> bytes;
  std::uint8_t size;
  [[nodiscard]] std::string_view view() const { return {bytes.data(), size}; }
};

[[nodiscard]] FrameHeaderBytes encode_frame_header(WebsocketOpcode opcode,
                                                   std::uint64_t payload_bytes);

void append_frame_header(std::string& out, WebsocketOpcode opcode, std::uint64_t payload_bytes);

// Header and payload. A control frame of more than 125 octets is our own mistake.
void append_frame(std::string& out, WebsocketOpcode opcode, std::string_view payload);

// The same for a data message in its compressed form (RFC 7692 section 6).
void append_compressed_frame(std::string& out, WebsocketOpcode opcode, std::string_view compressed);

// A close frame; kNoCloseCode makes an empty one. The text is cut to 123 octets between characters.
void append_close_frame(std::string& out, std::uint16_t code, std::string_view text);
void append_close_frame(std::string& out, CloseReason reason);

// ---- from the client: always masked ----

struct ClientFrameHeader {
  WebsocketOpcode opcode = WebsocketOpcode::continuation;
  bool final = false;
  bool compressed = false;  // with its message's other frames, which do not say so
  std::uint64_t payload_bytes = 0;
  std::array<char, 4> mask{};
  std::size_t header_bytes = 0;

  [[nodiscard]] bool is_control() const { return opcode >= WebsocketOpcode::close; }
};

// Where a frame would stand: what may come next, and how much of it.
struct FrameContext {
  bool in_message = false;            // between the fragments of one
  std::size_t message_bytes = 0;      // of the fragments so far, as they came
  std::size_t fragments = 0;          // so far
  std::size_t message_bytes_max = 0;  // beyond: message_too_large; compressed: of the inflated one
  std::size_t fragments_max = 0;      // beyond: policy
  bool may_compress = false;          // permessage-deflate is negotiated
  bool compressed = false;            // the message that it is in
};

struct HeaderVerdict {
  enum class Kind : std::uint8_t { partial, whole, refused };
  Kind kind = Kind::partial;
  CloseReason reason = CloseReason::normal;  // of `refused`
  ClientFrameHeader header;                  // of `whole`
};

// Reads a header from its first octets, and refuses it as soon as those that are there can not
// begin a legal one. The verdict is the same however the octets arrive.
[[nodiscard]] HeaderVerdict decode_client_frame_header(std::span<const char> bytes,
                                                       const FrameContext& context);

// Masks or unmasks in place (RFC 6455 section 5.3). `phase`: how many octets of this frame's
// payload came before. Any alignment.
void unmask(std::span<char> bytes, const std::array<char, 4>& mask, std::size_t phase);

struct ClosePayload {
  std::uint16_t code = kNoCloseCode;
  std::string_view text;  // into the payload
};

// What a client's close frame says, or the reason to call it wrong (RFC 6455 sections 5.5.1, 7.4).
struct CloseVerdict {
  std::optional<ClosePayload> payload;
  CloseReason reason = CloseReason::normal;  // if there is no payload
};
[[nodiscard]] CloseVerdict decode_close_payload(std::string_view payload);

// May a peer send this code? 1000-1003, 1007-1014, 3000-4999 (RFC 6455 section 7.4 and IANA).
[[nodiscard]] bool is_close_code(std::uint16_t code);

}  // namespace ringcast::wire
