#include "wire/websocket_parser.hpp"

#include <algorithm>
#include <array>
#include <string>

#include "message/names.hpp"
#include "wire/utf8.hpp"

namespace ringcast::wire {

// A frame whose end has not come, or a message whose last fragment has not.
struct WebsocketParser::Pending {
  std::array<char, kClientHeaderBytesMax> header_bytes{};
  std::size_t header_have = 0;
  ClientFrameHeader frame;
  bool in_payload = false;
  std::size_t payload_have = 0;

  bool in_message = false;
  WebsocketOpcode message_opcode = WebsocketOpcode::text;
  std::size_t fragments = 0;
  Utf8Validator utf8;
  std::string message;

  std::array<char, kControlPayloadBytesMax> control{};

  [[nodiscard]] bool is_done() const { return header_have == 0 && !in_payload && !in_message; }
};

WebsocketParser::WebsocketParser(const WebsocketLimits& limits) : limits_(&limits) {}
WebsocketParser::~WebsocketParser() = default;
WebsocketParser::WebsocketParser(WebsocketParser&&) noexcept = default;
WebsocketParser& WebsocketParser::operator=(WebsocketParser&&) noexcept = default;

FrameContext WebsocketParser::context() const {
  FrameContext context;
  context.message_bytes_max = limits_->message_bytes_max;
  context.fragments_max = limits_->fragments_max;
  if (pending_ && pending_->in_message) {
    context.in_message = true;
    context.message_bytes = pending_->message.size();
    context.fragments = pending_->fragments;
  }
  return context;
}

WebsocketEvent WebsocketParser::next(std::span<char>& input) {
  // What the last event pointed to is given back only now.
  if (pending_ && pending_->is_done()) pending_.reset();
  if (ended_) input = {};
  if (input.empty()) return {};
  if (pending_) return next_pending(input);

  const HeaderVerdict verdict = decode_client_frame_header(input, context());
  if (verdict.kind == HeaderVerdict::Kind::refused) return fail(verdict.reason);
  const ClientFrameHeader& header = verdict.header;
  if (verdict.kind == HeaderVerdict::Kind::whole && header.final &&
      input.size() - header.header_bytes >= header.payload_bytes) {
    const auto payload_bytes = static_cast<std::size_t>(header.payload_bytes);
    const std::span<char> payload = input.subspan(header.header_bytes, payload_bytes);
    input = input.subspan(header.header_bytes + payload_bytes);
    return whole_frame(header, payload);
  }
  pending_ = std::make_unique<Pending>();
  return next_pending(input);
}

// The common case: one message, one frame, one input buffer.
WebsocketEvent WebsocketParser::whole_frame(const ClientFrameHeader& header,
                                            std::span<char> payload) {
  unmask(payload, header.mask, 0);
  const std::string_view data(payload.data(), payload.size());
  if (header.is_control()) return control(header.opcode, data);
  if (header.opcode == WebsocketOpcode::binary) return {WebsocketEventKind::binary, data};
  if (!is_valid_utf8(data)) return fail(CloseReason::invalid_utf8);
  return {WebsocketEventKind::text, data};
}

WebsocketEvent WebsocketParser::next_pending(std::span<char>& input) {
  while (!input.empty()) {
    const WebsocketEvent event = pending_->in_payload ? take_payload(input) : take_header(input);
    if (event.kind != WebsocketEventKind::need_more) return event;
  }
  return {};
}

WebsocketEvent WebsocketParser::take_header(std::span<char>& input) {
  Pending& pending = *pending_;
  const std::size_t have = pending.header_have;
  const std::size_t taken = std::min(input.size(), pending.header_bytes.size() - have);
  std::copy_n(input.begin(), taken, pending.header_bytes.begin() + static_cast<long>(have));
  const std::span<const char> bytes(pending.header_bytes.data(), have + taken);
  const HeaderVerdict verdict = decode_client_frame_header(bytes, context());
  switch (verdict.kind) {
    case HeaderVerdict::Kind::refused:
      return fail(verdict.reason);
    case HeaderVerdict::Kind::partial:
      pending.header_have += taken;
      input = input.subspan(taken);
      return {};
    case HeaderVerdict::Kind::whole:
      break;
  }
  input = input.subspan(verdict.header.header_bytes - have);
  pending.header_have = 0;
  pending.frame = verdict.header;
  pending.in_payload = true;
  pending.payload_have = 0;
  if (!pending.frame.is_control()) {
    if (!pending.in_message) pending.message_opcode = pending.frame.opcode;
    pending.in_message = true;
    ++pending.fragments;
  }
  return pending.frame.payload_bytes == 0 ? end_frame() : WebsocketEvent{};
}

WebsocketEvent WebsocketParser::take_payload(std::span<char>& input) {
  Pending& pending = *pending_;
  const auto payload_bytes = static_cast<std::size_t>(pending.frame.payload_bytes);
  const std::size_t taken = std::min(input.size(), payload_bytes - pending.payload_have);
  const std::span<char> piece = input.first(taken);
  input = input.subspan(taken);
  unmask(piece, pending.frame.mask, pending.payload_have);
  const std::string_view text(piece.data(), piece.size());
  if (pending.frame.is_control()) {
    std::copy(text.begin(), text.end(),
              pending.control.begin() + static_cast<long>(pending.payload_have));
  } else {
    // RFC 6455 section 8.1, at once: who sends 60 KiB after a wrong octet should not be read on.
    if (pending.message_opcode == WebsocketOpcode::text && !pending.utf8.feed(text))
      return fail(CloseReason::invalid_utf8);
    pending.message.append(text);
  }
  pending.payload_have += taken;
  return pending.payload_have == payload_bytes ? end_frame() : WebsocketEvent{};
}

WebsocketEvent WebsocketParser::end_frame() {
  Pending& pending = *pending_;
  pending.in_payload = false;
  if (pending.frame.is_control())
    return control(pending.frame.opcode, {pending.control.data(), pending.payload_have});
  if (!pending.frame.final) return {};
  pending.in_message = false;
  if (pending.message_opcode == WebsocketOpcode::binary)
    return {WebsocketEventKind::binary, pending.message};
  if (!pending.utf8.at_boundary()) return fail(CloseReason::invalid_utf8);
  return {WebsocketEventKind::text, pending.message};
}

WebsocketEvent WebsocketParser::control(WebsocketOpcode opcode, std::string_view payload) {
  if (opcode == WebsocketOpcode::ping) return {WebsocketEventKind::ping, payload};
  if (opcode == WebsocketOpcode::pong) return {WebsocketEventKind::pong, payload};
  const CloseVerdict verdict = decode_close_payload(payload);
  if (!verdict.payload) return fail(verdict.reason);
  ended_ = true;
  return {WebsocketEventKind::close, verdict.payload->text, verdict.payload->code};
}

WebsocketEvent WebsocketParser::fail(CloseReason reason) {
  ended_ = true;
  pending_.reset();
  return {WebsocketEventKind::failed, {}, kNoCloseCode, reason};
}

}  // namespace ringcast::wire
