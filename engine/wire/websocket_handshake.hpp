// The opening handshake of WebSocket, server's side (RFC 6455 section 4.2).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "wire/deflate_offer.hpp"
#include "wire/http_request.hpp"
#include "wire/http_response.hpp"

namespace ringcast::wire {

inline constexpr std::string_view kNativeSubprotocol = "ringcast.v1";
inline constexpr std::string_view kTokenSubprotocolPrefix = "ringcast.token.";

// What a client asks for besides the upgrade itself.
struct WebsocketOffer {
  std::string accept_key;   // the answer to its Sec-WebSocket-Key
  std::string subprotocol;  // to be chosen: "ringcast.v1" if offered, else empty
  std::string token;  // what it offered as `ringcast.token.<jwt>`; a secret, never to be echoed
  std::optional<DeflateTerms> deflate;  // how its messages and ours may be compressed
};

// Is this a request to become a WebSocket at all, well formed or not?
[[nodiscard]] bool asks_for_websocket(const HttpRequest& request);

// The offer, or the response that refuses it: 400, or 426 with Sec-WebSocket-Version for another
// version than 13. Thread: any.
class WebsocketHandshake {
 public:
  [[nodiscard]] static WebsocketHandshake check(const HttpRequest& request,
                                                std::string_view correlation_id);

  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] const WebsocketOffer& offer() const { return offer_; }
  [[nodiscard]] const HttpResponse& refusal() const { return refusal_; }

 private:
  bool ok_ = false;
  WebsocketOffer offer_;
  HttpResponse refusal_;
};

// Appends the 101 response (RFC 6455 section 4.2.2).
void append_switching_protocols(std::string& out, const WebsocketOffer& offer);

// base64(SHA-1(key + GUID)), RFC 6455 section 4.2.2 step 5.4. Thread: any.
[[nodiscard]] std::string websocket_accept_key(std::string_view key);

}  // namespace ringcast::wire
