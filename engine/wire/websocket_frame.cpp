#include "wire/websocket_frame.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/ensure.hpp"
#include "message/names.hpp"
#include "wire/deflate.hpp"

namespace ringcast::wire {

namespace {

std::uint8_t octet(std::span<const char> bytes, std::size_t at) {
  return static_cast<std::uint8_t>(bytes[at]);
}

std::uint64_t big_endian(std::span<const char> bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) value = value << 8 | octet(bytes, i);
  return value;
}

bool is_known_opcode(std::uint8_t opcode) {
  return opcode <= 0x2 || (opcode >= 0x8 && opcode <= 0xa);
}

HeaderVerdict refused(CloseReason reason) { return {HeaderVerdict::Kind::refused, reason, {}}; }

// The first octet: RFC 6455 sections 5.2 (RSV, opcode), 5.4 (order of fragments), 5.5 (control);
// RFC 7692 section 6: RSV1 belongs to a message's first frame, and to no control frame.
std::optional<CloseReason> check_first_octet(std::uint8_t first, const FrameContext& context) {
  const std::uint8_t opcode = first & 0x0f;
  const bool begins_message = opcode == 0x1 || opcode == 0x2;
  const bool may_compress = context.may_compress && begins_message;
  const int forbidden = may_compress ? kReservedBits & ~kCompressed : kReservedBits;
  if ((first & forbidden) != 0 || !is_known_opcode(opcode)) return CloseReason::protocol_error;
  if (opcode >= 0x8)
    return (first & kFinal) != 0 ? std::nullopt : std::optional(CloseReason::protocol_error);
  if ((opcode == 0) != context.in_message) return CloseReason::protocol_error;
  if (context.fragments >= context.fragments_max) return CloseReason::policy;
  return std::nullopt;
}

std::uint64_t payload_bytes_left(const ClientFrameHeader& header, const FrameContext& context) {
  const bool compressed = header.compressed || (context.in_message && context.compressed);
  const std::uint64_t max = compressed ? compressed_bytes_max(context.message_bytes_max)
                                       : std::uint64_t{context.message_bytes_max};
  return max - std::min<std::uint64_t>(max, context.message_bytes);
}

}  // namespace

FrameHeaderBytes encode_frame_header(WebsocketOpcode opcode, std::uint64_t payload_bytes) {
  FrameHeaderBytes header;
  char* bytes = header.bytes.data();
  header.size = static_cast<std::uint8_t>(frame_header_size(payload_bytes));
  bytes[0] = static_cast<char>(kFinal | static_cast<std::uint8_t>(opcode));
  if (header.size == 2) {
    bytes[1] = static_cast<char>(payload_bytes);
  } else if (header.size == 4) {
    bytes[1] = 126;
    bytes[2] = static_cast<char>(payload_bytes >> 8);
    bytes[3] = static_cast<char>(payload_bytes & 0xff);
  } else {
    bytes[1] = 127;
    for (int i = 0; i < 8; ++i) bytes[2 + i] = static_cast<char>(payload_bytes >> (56 - 8 * i));
  }
  return header;
}

void append_frame_header(std::string& out, WebsocketOpcode opcode, std::uint64_t payload_bytes) {
  out += encode_frame_header(opcode, payload_bytes).view();
}

void append_frame(std::string& out, WebsocketOpcode opcode, std::string_view payload) {
  ensure(opcode < WebsocketOpcode::close || payload.size() <= kControlPayloadBytesMax,
         "a control frame with more than 125 octets");
  append_frame_header(out, opcode, payload.size());
  out += payload;
}

void append_compressed_frame(std::string& out, WebsocketOpcode opcode,
                             std::string_view compressed) {
  ensure(opcode < WebsocketOpcode::close, "a control frame is never compressed");
  const std::size_t begin = out.size();
  append_frame(out, opcode, compressed);
  out[begin] = static_cast<char>(out[begin] | static_cast<char>(kCompressed));
}

void append_close_frame(std::string& out, std::uint16_t code, std::string_view text) {
  if (code == kNoCloseCode) return append_frame(out, WebsocketOpcode::close, {});
  if (text.size() > kCloseTextBytesMax) {
    std::size_t end = kCloseTextBytesMax;
    while (end != 0 && (static_cast<std::uint8_t>(text[end]) & 0xc0) == 0x80) --end;
    text = text.substr(0, end);
  }
  append_frame_header(out, WebsocketOpcode::close, text.size() + 2);
  out += static_cast<char>(code >> 8);
  out += static_cast<char>(code & 0xff);
  out += text;
}

void append_close_frame(std::string& out, CloseReason reason) {
  const CloseRow row = close_row(reason);
  append_close_frame(out, row.code, row.text);
}

HeaderVerdict decode_client_frame_header(std::span<const char> bytes, const FrameContext& context) {
  if (bytes.empty()) return {};
  if (const auto problem = check_first_octet(octet(bytes, 0), context)) return refused(*problem);
  ClientFrameHeader header;
  header.opcode = static_cast<WebsocketOpcode>(octet(bytes, 0) & 0x0f);
  header.final = (octet(bytes, 0) & kFinal) != 0;
  header.compressed = (octet(bytes, 0) & kCompressed) != 0;
  if (bytes.size() < 2) return {};

  // RFC 6455 section 5.1: a server closes when a client's frame is not masked.
  if ((octet(bytes, 1) & kMasked) == 0) return refused(CloseReason::protocol_error);
  header.payload_bytes = octet(bytes, 1) & 0x7f;
  std::size_t length_bytes = 0;
  if (header.payload_bytes > kControlPayloadBytesMax) {
    if (header.is_control()) return refused(CloseReason::protocol_error);
    length_bytes = header.payload_bytes == 126 ? 2 : 8;
    if (bytes.size() < 2 + length_bytes) return {};
    header.payload_bytes = big_endian(bytes.subspan(2, length_bytes));
    const bool shortest = header.payload_bytes > (length_bytes == 2 ? 125U : 0xffffU);
    if (!shortest || header.payload_bytes >> 63 != 0) return refused(CloseReason::protocol_error);
  }
  if (!header.is_control() && header.payload_bytes > payload_bytes_left(header, context))
    return refused(CloseReason::message_too_large);
  header.header_bytes = 2 + length_bytes + header.mask.size();
  if (bytes.size() < header.header_bytes) return {};
  std::memcpy(header.mask.data(), bytes.data() + 2 + length_bytes, header.mask.size());
  return {HeaderVerdict::Kind::whole, CloseReason::normal, header};
}

void unmask(std::span<char> bytes, const std::array<char, 4>& mask, std::size_t phase) {
  static_assert(std::endian::native == std::endian::little, "the first octet is the lowest");
  std::uint32_t key = 0;
  std::memcpy(&key, mask.data(), sizeof key);
  key = std::rotr(key, static_cast<int>(8 * (phase & 3)));
  const std::uint64_t key_word = std::uint64_t{key} << 32 | key;

  char* at = bytes.data();
  std::size_t left = bytes.size();
  // Four words a turn, so that the compiler makes vector instructions of them.
  std::uint64_t words[4];
  for (; left >= sizeof words; left -= sizeof words, at += sizeof words) {
    std::memcpy(words, at, sizeof words);
    for (std::uint64_t& word : words) word ^= key_word;
    std::memcpy(at, words, sizeof words);
  }
  for (; left >= sizeof key_word; left -= sizeof key_word, at += sizeof key_word) {
    std::memcpy(words, at, sizeof key_word);
    words[0] ^= key_word;
    std::memcpy(at, words, sizeof key_word);
  }
  for (std::size_t i = 0; i < left; ++i)
    at[i] = static_cast<char>(at[i] ^ static_cast<char>(key_word >> 8 * i));
}

bool is_close_code(std::uint16_t code) {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
         (code >= 3000 && code <= 4999);
}

CloseVerdict decode_close_payload(std::string_view payload) {
  if (payload.empty()) return {ClosePayload{}, CloseReason::normal};
  if (payload.size() == 1) return {std::nullopt, CloseReason::protocol_error};
  const auto code = static_cast<std::uint16_t>(big_endian(payload.substr(0, 2)));
  if (!is_close_code(code)) return {std::nullopt, CloseReason::protocol_error};
  const std::string_view text = payload.substr(2);
  if (!is_valid_utf8(text)) return {std::nullopt, CloseReason::invalid_utf8};
  return {ClosePayload{code, text}, CloseReason::normal};
}

}  // namespace ringcast::wire
