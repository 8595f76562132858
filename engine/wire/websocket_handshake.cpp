#include "wire/websocket_handshake.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <optional>

#include "base/ensure.hpp"

namespace ringcast::wire {

namespace {

constexpr std::string_view kGuid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

bool is_base64_character(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
         c == '/';
}

// RFC 6455 section 4.1 step 7: the base64 of 16 octets, so 22 characters and two of padding.
bool is_websocket_key(std::string_view key) {
  return key.size() == 24 && key.ends_with("==") &&
         std::all_of(key.begin(), key.end() - 2, is_base64_character);
}

// What is wrong with the upgrade, other than its version.
std::optional<std::string> problem_of(const HttpRequest& request) {
  if (request.method != "GET") return "the method is not GET";
  if (request.version_minor != 1) return "the version is not HTTP/1.1";
  if (!request.header_has_token("upgrade", "websocket")) return "Upgrade is not `websocket`";
  if (!request.header_has_token("connection", "upgrade"))
    return "Connection does not hold `Upgrade`";
  if (!request.body.empty()) return "there is a body";
  if (request.header_count("sec-websocket-key") != 1 ||
      !is_websocket_key(request.header("sec-websocket-key")))
    return "Sec-WebSocket-Key is not the base64 of 16 octets";
  return std::nullopt;
}

void read_subprotocols(const HttpRequest& request, WebsocketOffer& offer) {
  for (const auto& [name, value] : request.headers) {
    if (!equals_ignoring_case(name, "sec-websocket-protocol")) continue;
    for_each_list_element(value, [&](std::string_view element) {
      if (element == kNativeSubprotocol)
        offer.subprotocol = element;
      else if (element.starts_with(kTokenSubprotocolPrefix) && offer.token.empty())
        offer.token = element.substr(kTokenSubprotocolPrefix.size());
    });
  }
}

// RFC 6455 section 9.1: several headers of this name are one list.
void read_extensions(const HttpRequest& request, WebsocketOffer& offer) {
  std::string offers;
  for (const auto& [name, value] : request.headers)
    if (equals_ignoring_case(name, "sec-websocket-extensions")) (offers += value) += ',';
  offer.deflate = choose_deflate(offers);
}

}  // namespace

bool asks_for_websocket(const HttpRequest& request) {
  return request.header_has_token("upgrade", "websocket");
}

WebsocketHandshake WebsocketHandshake::check(const HttpRequest& request,
                                             std::string_view correlation_id) {
  WebsocketHandshake handshake;
  if (auto problem = problem_of(request)) {
    handshake.refusal_ =
        error_response(Error{Errc::validation, "WebSocket upgrade: " + *problem}, correlation_id);
    return handshake;
  }
  if (request.header_count("sec-websocket-version") != 1 ||
      request.header("sec-websocket-version") != "13") {
    handshake.refusal_ = error_response(
        Error{Errc::validation, "WebSocket upgrade: Sec-WebSocket-Version is not 13"},
        correlation_id);
    handshake.refusal_.status = 426;
    handshake.refusal_.headers.emplace_back("Sec-WebSocket-Version", "13");
    return handshake;
  }
  handshake.ok_ = true;
  handshake.offer_.accept_key = websocket_accept_key(request.header("sec-websocket-key"));
  read_subprotocols(request, handshake.offer_);
  read_extensions(request, handshake.offer_);
  return handshake;
}

void append_switching_protocols(std::string& out, const WebsocketOffer& offer) {
  std::vector<std::pair<std::string, std::string>> headers{
      {"Upgrade", "websocket"},
      {"Connection", "Upgrade"},
      {"Sec-WebSocket-Accept", offer.accept_key}};
  if (!offer.subprotocol.empty()) headers.emplace_back("Sec-WebSocket-Protocol", offer.subprotocol);
  if (offer.deflate)
    headers.emplace_back("Sec-WebSocket-Extensions", deflate_answer(*offer.deflate));
  append_response_head(out, 101, headers);
}

std::string websocket_accept_key(std::string_view key) {
  std::string text(key);
  text += kGuid;
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned digest_bytes = 0;
  const int hashed =
      EVP_Digest(text.data(), text.size(), digest.data(), &digest_bytes, EVP_sha1(), nullptr);
  ensure(hashed == 1 && digest_bytes == 20, "SHA-1 is not available");
  std::array<unsigned char, 32> encoded{};
  const int length = EVP_EncodeBlock(encoded.data(), digest.data(), 20);
  return {encoded.begin(), encoded.begin() + length};
}

}  // namespace ringcast::wire
