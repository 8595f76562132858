#include "daemon/websocket_client.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <array>
#include <cstring>
#include <utility>

#include "auth/api_keys.hpp"
#include "daemon/http_answer.hpp"
#include "message/uuid.hpp"
#include "wire/websocket_handshake.hpp"

namespace ringcast {

namespace {

using wire::WebsocketOpcode;

Error broken(std::string_view what) {
  return {Errc::unavailable, fmt::format("the daemon broke the WebSocket protocol: {}", what)};
}

// RFC 6455 section 4.1: base64 of 16 random octets.
std::string random_key() {
  const Uuid random = Uuid::random();
  std::array<unsigned char, 25> text{};  // 24 characters and a zero
  EVP_EncodeBlock(text.data(), random.bytes.data(), static_cast<int>(random.bytes.size()));
  return reinterpret_cast<const char*>(text.data());
}

// RFC 6455 section 10.3: not to be guessed, new for each frame.
wire::FrameMask random_mask() {
  const Uuid random = Uuid::random();
  wire::FrameMask mask;
  std::memcpy(mask.data(), random.bytes.data(), mask.size());
  return mask;
}

Errc code_of(int status) {
  if (status == 401) return Errc::unauthorized;
  if (status == 408 || status == 429 || status >= 500) return Errc::unavailable;
  return Errc::forbidden;
}

}  // namespace

Result<WebsocketClient> WebsocketClient::connect(const ServerUrl& url, std::string_view token) {
  std::string authorization;
  if (!token.empty()) {
    const std::string credentials = fmt::format("Bearer {}", token);
    if (bearer_credentials(credentials) != token)
      return {Errc::validation, "--token: has characters that no token has"};
    authorization = fmt::format("Authorization: {}\r\n", credentials);
  }
  auto stream = TcpStream::connect(url, kAnswerTimeout);
  if (!stream) return stream.error();
  const std::string key = random_key();
  if (auto sent = stream->send(fmt::format(
          "GET /ws HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
          "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {}\r\n"
          "Sec-WebSocket-Protocol: {}\r\n{}\r\n",
          url.authority(), key, wire::kNativeSubprotocol, authorization));
      !sent)
    return sent.error();
  const auto answer = read_http_answer(*stream);
  if (!answer) return answer.error();
  if (answer->status != 101) return {code_of(answer->status), answer->refusal()};
  if (answer->header("sec-websocket-accept") != wire::websocket_accept_key(key))
    return broken("another Sec-WebSocket-Accept");
  return WebsocketClient(std::move(*stream));
}

Result<void> WebsocketClient::send_frame(WebsocketOpcode opcode, std::string_view payload) {
  std::string frame;
  wire::append_client_frame(frame, opcode, payload, random_mask());
  return stream_.send(frame);
}

Result<void> WebsocketClient::send_text(std::string_view text) {
  return send_frame(WebsocketOpcode::text, text);
}

Result<WebsocketClient::Received> WebsocketClient::receive() {
  for (;;) {
    const auto verdict = wire::decode_server_frame(stream_.buffer(), kMessageBytesMax);
    switch (verdict.kind) {
      case wire::ServerFrameVerdict::Kind::refused:
        return broken(verdict.problem);
      case wire::ServerFrameVerdict::Kind::partial: {
        const auto more = stream_.receive();
        if (!more) return more.error();
        if (!*more) return {Errc::unavailable, "the connection ended without a word"};
        break;
      }
      case wire::ServerFrameVerdict::Kind::whole: {
        auto received = take(verdict.frame);
        stream_.buffer().erase(0, verdict.frame.frame_bytes);
        if (!received) return received.error();
        if (*received) return std::move(**received);
        break;
      }
    }
  }
}

// Nothing: the frame was a control frame or a piece, or is not for the one who reads.
Result<std::optional<WebsocketClient::Received>> WebsocketClient::take(
    const wire::ServerFrame& frame) {
  Received received;
  switch (frame.opcode) {
    case WebsocketOpcode::ping:
      if (auto sent = send_frame(WebsocketOpcode::pong, frame.payload); !sent) return sent.error();
      return std::optional<Received>{};
    case WebsocketOpcode::pong:
      return std::optional<Received>{};
    case WebsocketOpcode::close: {
      const auto close = wire::decode_close_payload(frame.payload);
      if (!close.payload) return broken("a close frame that makes no sense");
      received.close_code = close.payload->code;
      received.close_text = close.payload->text;
      // Section 5.5.1: answered with the same code; whether it arrives does not matter any more.
      std::ignore = send_frame(WebsocketOpcode::close, frame.payload.substr(0, 2));
      return std::optional(std::move(received));
    }
    case WebsocketOpcode::binary:
      return broken("a binary message");
    case WebsocketOpcode::text:
    case WebsocketOpcode::continuation:
      break;
  }
  if ((frame.opcode == WebsocketOpcode::continuation) != in_message_)
    return broken("the pieces of a message are out of order");
  if (frame.payload.size() > kMessageBytesMax - message_.size())
    return broken("a message is too large");
  message_ += frame.payload;
  in_message_ = !frame.final;
  if (in_message_) return std::optional<Received>{};
  received.text = std::exchange(message_, {});
  return std::optional(std::move(received));
}

}  // namespace ringcast
