#include "wire/websocket_handshake.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ringcast::wire {
namespace {

using testing::HasSubstr;
using testing::Not;

// RFC 6455 section 1.3.
HttpRequest upgrade() {
  HttpRequest request;
  request.method = "GET";
  request.path = "/ws";
  request.headers = {{"Host", "server.example.com"},
                     {"Upgrade", "websocket"},
                     {"Connection", "keep-alive, Upgrade"},
                     {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="},
                     {"Sec-WebSocket-Version", "13"}};
  return request;
}

HttpRequest upgrade_with(std::string_view name, std::string value) {
  HttpRequest request = upgrade();
  for (auto& [key, old] : request.headers)
    if (key == name) old = value;
  return request;
}

int status_of(const HttpRequest& request) {
  const auto handshake = WebsocketHandshake::check(request, "c");
  return handshake.ok() ? 101 : handshake.refusal().status;
}

TEST(WebsocketHandshake, AnswersTheExampleOfTheRfc) {
  EXPECT_EQ(websocket_accept_key("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  const auto handshake = WebsocketHandshake::check(upgrade(), "c");
  ASSERT_TRUE(handshake.ok());
  std::string out;
  append_switching_protocols(out, handshake.offer());
  EXPECT_EQ(out,
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n");
}

TEST(WebsocketHandshake, RefusesWhatIsNoUpgrade) {
  EXPECT_EQ(status_of(upgrade()), 101);
  EXPECT_EQ(status_of(upgrade_with("Upgrade", "WebSocket")), 101);
  EXPECT_EQ(status_of(upgrade_with("Connection", "upgrade")), 101);
  EXPECT_EQ(status_of(upgrade_with("Upgrade", "h2c")), 400);
  EXPECT_EQ(status_of(upgrade_with("Connection", "keep-alive")), 400);
  for (const char* method : {"POST", "HEAD", "OPTIONS"}) {
    HttpRequest request = upgrade();
    request.method = method;
    EXPECT_EQ(status_of(request), 400) << method;
  }
  HttpRequest old = upgrade();
  old.version_minor = 0;
  EXPECT_EQ(status_of(old), 400);
  HttpRequest with_body = upgrade();
  with_body.body = "x";
  EXPECT_EQ(status_of(with_body), 400);
  for (std::size_t missing = 1; missing < 4; ++missing) {
    HttpRequest request = upgrade();
    request.headers.erase(request.headers.begin() + static_cast<long>(missing));
    EXPECT_EQ(status_of(request), 400) << missing;
  }
}

TEST(WebsocketHandshake, TakesAKeyOf16OctetsOnly) {
  for (const char* key :
       {"", "x", "dGhlIHNhbXBsZSBub25jZQ=", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25jZQ===",
        "dGhlIHNhbXBsZSBub25jZ-==", "dGhlIHNhbXBsZSBub25jZQA=", "dGhl HNhbXBsZSBub25jZQ=="})
    EXPECT_EQ(status_of(upgrade_with("Sec-WebSocket-Key", key)), 400) << key;
  HttpRequest twice = upgrade();
  twice.headers.emplace_back("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
  EXPECT_EQ(status_of(twice), 400);
}

TEST(WebsocketHandshake, AnswersOtherVersionsWithTheOneItSpeaks) {
  for (const char* version : {"", "8", "12", "14", "013", "13, 8"}) {
    const auto handshake =
        WebsocketHandshake::check(upgrade_with("Sec-WebSocket-Version", version), "c");
    ASSERT_FALSE(handshake.ok()) << version;
    EXPECT_EQ(handshake.refusal().status, 426);
    std::string out;
    append_response(out, handshake.refusal(), HttpPersistence::close);
    EXPECT_THAT(out, HasSubstr("HTTP/1.1 426 Upgrade Required\r\n"));
    EXPECT_THAT(out, HasSubstr("Sec-WebSocket-Version: 13\r\n"));
  }
  HttpRequest none = upgrade();
  none.headers.pop_back();
  EXPECT_EQ(status_of(none), 426);
}

TEST(WebsocketHandshake, ChoosesTheProtocolAndNeverTheToken) {
  HttpRequest request = upgrade();
  request.headers.emplace_back("Sec-WebSocket-Protocol", "other, ringcast.token.a.b-c.d_e");
  request.headers.emplace_back("sec-websocket-protocol", "ringcast.v1,ringcast.token.second");
  const auto handshake = WebsocketHandshake::check(request, "c");
  ASSERT_TRUE(handshake.ok());
  EXPECT_EQ(handshake.offer().subprotocol, "ringcast.v1");
  EXPECT_EQ(handshake.offer().token, "a.b-c.d_e");
  std::string out;
  append_switching_protocols(out, handshake.offer());
  EXPECT_THAT(out, HasSubstr("Sec-WebSocket-Protocol: ringcast.v1\r\n"));
  EXPECT_THAT(out, Not(HasSubstr("token")));
}

TEST(WebsocketHandshake, ChoosesNoProtocolThatWasNotOffered) {
  for (const char* offered : {"ringcast.token.a", "ringcast.v2", "RINGCAST.V1", ",,", "\xff\xfe"}) {
    HttpRequest request = upgrade();
    request.headers.emplace_back("Sec-WebSocket-Protocol", offered);
    const auto handshake = WebsocketHandshake::check(request, "c");
    ASSERT_TRUE(handshake.ok());
    EXPECT_EQ(handshake.offer().subprotocol, "") << offered;
  }
}

TEST(WebsocketHandshake, KnowsWhoAsksForOne) {
  EXPECT_TRUE(asks_for_websocket(upgrade()));
  EXPECT_TRUE(asks_for_websocket(upgrade_with("Sec-WebSocket-Key", "bad")));
  EXPECT_FALSE(asks_for_websocket(upgrade_with("Upgrade", "h2c")));
  EXPECT_FALSE(asks_for_websocket(HttpRequest{}));
}

TEST(WebsocketHandshake, AcceptsAnOfferOfDeflateFromAnyOfItsHeaders) {
  HttpRequest request = upgrade();
  request.headers.emplace_back("Sec-WebSocket-Extensions", "x-other");
  request.headers.emplace_back("sec-websocket-extensions",
                               "permessage-deflate; client_max_window_bits");
  const auto handshake = WebsocketHandshake::check(request, "c");
  ASSERT_TRUE(handshake.ok());
  std::string out;
  append_switching_protocols(out, handshake.offer());
  EXPECT_THAT(out, HasSubstr("Sec-WebSocket-Extensions: permessage-deflate; "
                             "server_no_context_takeover; client_no_context_takeover\r\n"));
}

TEST(WebsocketHandshake, DeclinesAnExtensionInSilence) {
  HttpRequest request = upgrade();
  request.headers.emplace_back("Sec-WebSocket-Extensions", "permessage-deflate; unknown");
  const auto handshake = WebsocketHandshake::check(request, "c");
  ASSERT_TRUE(handshake.ok());
  EXPECT_FALSE(handshake.offer().deflate);
}

}  // namespace
}  // namespace ringcast::wire
