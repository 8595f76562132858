// Messages from a WebSocket client's bytes, in any split.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "message/close_reason.hpp"
#include "wire/websocket_frame.hpp"

namespace ringcast::wire {

struct WebsocketLimits {
  std::size_t message_bytes_max = 65'536;  // beyond, also if only announced: message_too_large
  std::size_t fragments_max = 16'384;      // of one message; beyond: policy
};

enum class WebsocketEventKind : std::uint8_t {
  need_more,  // the input is used up
  text,       // data: the whole message, valid UTF-8
  binary,     // data: the whole message
  ping,       // data: to be sent back in a pong
  pong,
  close,   // close_code (kNoCloseCode if it has none) and data: the client's text. The last event
  failed,  // reason: how to close. The last event
};

struct WebsocketEvent {
  WebsocketEventKind kind = WebsocketEventKind::need_more;
  std::string_view data;  // valid until the next call, and while the input's buffer is
  std::uint16_t close_code = kNoCloseCode;
  CloseReason reason = CloseReason::normal;
};

// The server's side of RFC 6455 sections 5 to 7: unmasks in place, joins fragments, checks UTF-8 as
// it comes (8.1), inflates where that is negotiated (RFC 7692), and refuses what a client must not
// send.
//
// Thread: its owner's. `limits` must outlive it. Holds heap memory only for a frame or message that
// is not whole yet, and then for octets that have come, not for those announced: at most about
// twice message_bytes_max, and an Inflater. message_bytes_max is of the inflated message. Beyond a
// limit it has failed and takes nothing more.
class WebsocketParser {
 public:
  // Has permessage-deflate been negotiated?
  enum class Compression : std::uint8_t { none, deflate };
  explicit WebsocketParser(const WebsocketLimits& limits,
                           Compression compression = Compression::none);
  explicit WebsocketParser(WebsocketLimits&&, Compression = Compression::none) = delete;
  ~WebsocketParser();
  WebsocketParser(WebsocketParser&&) noexcept;
  WebsocketParser& operator=(WebsocketParser&&) noexcept;

  // Takes octets off the front of `input` up to the next event. Call until `need_more`. A message
  // in one frame that lies whole in the input is not copied: data points into the input.
  [[nodiscard]] WebsocketEvent next(std::span<char>& input);

  // After `close` or `failed`: the rest of the input is ignored (RFC 6455 section 5.5.1).
  [[nodiscard]] bool ended() const { return ended_; }
  // Is no frame and no message begun? True only once next() said `need_more`.
  [[nodiscard]] bool is_between_messages() const { return !pending_; }

 private:
  struct Pending;

  [[nodiscard]] WebsocketEvent fail(CloseReason reason);
  [[nodiscard]] WebsocketEvent whole_frame(const ClientFrameHeader& header,
                                           std::span<char> payload);
  [[nodiscard]] WebsocketEvent control(WebsocketOpcode opcode, std::string_view payload);
  [[nodiscard]] WebsocketEvent next_pending(std::span<char>& input);
  [[nodiscard]] WebsocketEvent take_header(std::span<char>& input);
  [[nodiscard]] WebsocketEvent take_payload(std::span<char>& input);
  [[nodiscard]] WebsocketEvent end_frame();
  [[nodiscard]] FrameContext context() const;

  const WebsocketLimits* limits_;
  std::unique_ptr<Pending> pending_;
  Compression compression_;
  bool ended_ = false;
};

}  // namespace ringcast::wire
