// A blocking WebSocket client of the native protocol (RFC 6455, client's side).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "daemon/server_url.hpp"
#include "daemon/tcp_stream.hpp"
#include "wire/websocket_client_frame.hpp"

namespace ringcast {

// One connection to /ws. Answers pings by itself.
//
// Thread: its owner's; calls block. Lives until the daemon closes or an error. A message of more
// than kMessageBytesMax, or anything that RFC 6455 does not allow, is an error.
class WebsocketClient final {
 public:
  static constexpr std::size_t kMessageBytesMax = std::size_t{80} << 20;  // above any envelope
  static constexpr std::chrono::seconds kAnswerTimeout{30};

  // `token` empty: anonymous. Errors: Errc::unavailable if trying again may help, another code with
  // what the daemon says if not.
  [[nodiscard]] static Result<WebsocketClient> connect(const ServerUrl& url,
                                                       std::string_view token);

  Result<void> send_text(std::string_view text);

  // What came next: a text message, or the close frame that ends it.
  struct Received {
    std::optional<std::string> text;
    std::uint16_t close_code = wire::kNoCloseCode;
    std::string close_text;
  };
  [[nodiscard]] Result<Received> receive();

  // A daemon that is silent for so long is gone; an error of receive().
  Result<void> set_silence_max(std::chrono::milliseconds silence) {
    return stream_.set_receive_timeout(silence);
  }

 private:
  explicit WebsocketClient(TcpStream stream) : stream_(std::move(stream)) {}
  Result<void> send_frame(wire::WebsocketOpcode opcode, std::string_view payload);
  Result<std::optional<Received>> take(const wire::ServerFrame& frame);

  TcpStream stream_;
  std::string message_;  // of a message in pieces, those that have come
  bool in_message_ = false;
};

}  // namespace ringcast
