#include "wire/websocket_parser.hpp"

#include <algorithm>
#include <array>
#include <string>

#include "message/names.hpp"
#include "wire/deflate.hpp"
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
  std::optional<Inflater> inflater;  // of a compressed message
  std::size_t message_bytes = 0;     // as they came

  std::array<char, kControlPayloadBytesMax> control{};

  [[nodiscard]] bool is_done() const { return header_have == 0 && !in_payload && !in_message; }
  [[nodiscard]] std::optional<CloseReason> take(std::string_view piece, std::size_t bytes_max);
  [[nodiscard]] std::optional<CloseReason> take_end(std::size_t bytes_max);
  [[nodiscard]] std::optional<CloseReason> check_inflated(std::size_t from, Inflater::Verdict made);
};

std::optional<CloseReason> WebsocketParser::Pending::take(std::string_view piece,
                                                          std::size_t bytes_max) {
  message_bytes += piece.size();
  if (inflater) {
    const std::size_t from = message.size();
    return check_inflated(from, inflater->feed(piece, message, bytes_max));
  }
  // RFC 6455 section 8.1, at once: who sends 60 KiB after a wrong octet should not be read on.
  if (message_opcode == WebsocketOpcode::text && !utf8.feed(piece))
    return CloseReason::invalid_utf8;
  message.append(piece);
  return std::nullopt;
}

std::optional<CloseReason> WebsocketParser::Pending::take_end(std::size_t bytes_max) {
  if (inflater) {
    const std::size_t from = message.size();
    if (auto problem = check_inflated(from, inflater->finish(message, bytes_max))) return problem;
    inflater.reset();
  }
  if (message_opcode == WebsocketOpcode::text && !utf8.at_boundary())
    return CloseReason::invalid_utf8;
  return std::nullopt;
}

// In the order of the octets, whatever pieces they came in: what was inflated is judged before the
// place where that ended.
std::optional<CloseReason> WebsocketParser::Pending::check_inflated(std::size_t from,
                                                                    Inflater::Verdict made) {
  if (message_opcode == WebsocketOpcode::text && !utf8.feed(std::string_view(message).substr(from)))
    return CloseReason::invalid_utf8;
  switch (made) {
    case Inflater::Verdict::ok:
      return std::nullopt;
    case Inflater::Verdict::too_large:
      return CloseReason::message_too_large;
    case Inflater::Verdict::broken:
      return CloseReason::broken_compression;
  }
  return std::nullopt;
}

WebsocketParser::WebsocketParser(const WebsocketLimits& limits, Compression compression)
    : limits_(&limits), compression_(compression) {}
WebsocketParser::~WebsocketParser() = default;
WebsocketParser::WebsocketParser(WebsocketParser&&) noexcept = default;
WebsocketParser& WebsocketParser::operator=(WebsocketParser&&) noexcept = default;

FrameContext WebsocketParser::context() const {
  FrameContext context;
  context.message_bytes_max = limits_->message_bytes_max;
  context.fragments_max = limits_->fragments_max;
  context.may_compress = compression_ == Compression::deflate;
  if (pending_ && pending_->in_message) {
    context.in_message = true;
    context.compressed = pending_->inflater.has_value();
    context.message_bytes = pending_->message_bytes;
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
  if (verdict.kind == HeaderVerdict::Kind::whole && header.final && !header.compressed &&
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
    if (pending.frame.compressed) pending.inflater.emplace();
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
  } else if (const auto problem = pending.take(text, limits_->message_bytes_max)) {
    return fail(*problem);
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
  if (const auto problem = pending.take_end(limits_->message_bytes_max)) return fail(*problem);
  pending.in_message = false;
  const bool is_text = pending.message_opcode == WebsocketOpcode::text;
  return {is_text ? WebsocketEventKind::text : WebsocketEventKind::binary, pending.message};
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
