// The HTTP parser gives the same requests and the same refusal however its input is cut, and what
// it lets pass is what it promises.
#include <fmt/format.h>

#include "base/ensure.hpp"
#include "message/names.hpp"
#include "pieces.hpp"
#include "wire/http_request_parser.hpp"
#include "wire/websocket_handshake.hpp"

namespace {

using namespace ringcast;
using wire::HttpParserState;

std::string described(const wire::HttpRequest& request) {
  std::string text =
      fmt::format("{} {} {} {} 1.{} {}\n", request.method, request.target, request.path,
                  request.query, request.version_minor, request.keep_alive);
  for (const auto& [name, value] : request.headers) text += name + "=" + value + "\n";
  return text + request.body;
}

void check(const wire::HttpRequest& request, const wire::HttpLimits& limits) {
  ensure(request.body.size() <= limits.body_bytes_max, "the body is bounded");
  ensure(request.headers.size() <= limits.header_lines_max, "the headers are bounded");
  ensure(request.target.size() <= limits.target_bytes_max, "the target is bounded");
  ensure(is_valid_utf8(request.path), "the path is UTF-8");
  ensure(request.path == "*" || request.path.starts_with('/'), "the path begins with a slash");
  ensure(request.version_minor == 0 || request.header_count("host") == 1, "one Host");
  ensure(request.header_count("transfer-encoding") + request.header_count("content-length") < 2,
         "one way to find the end");
  for (const auto& [name, value] : request.headers) {
    ensure(wire::is_http_token(name), "names are tokens");
    ensure(value.find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos, "one line");
  }
  const auto handshake = wire::WebsocketHandshake::check(request, "c");
  std::string out;
  if (handshake.ok()) wire::append_switching_protocols(out, handshake.offer());
  (void)request.query_parameters("room");
}

std::string outcome(const std::vector<std::string_view>& pieces, const wire::HttpLimits& limits) {
  wire::HttpRequestParser parser(limits);
  std::string seen;
  for (std::string_view piece : pieces) {
    while (!piece.empty()) {
      piece.remove_prefix(parser.feed(piece));
      if (parser.state() == HttpParserState::failed)
        return seen + fmt::format("{} {}", parser.error().status, parser.error().detail);
      if (parser.state() != HttpParserState::complete) continue;
      const wire::HttpRequest request = parser.take();
      check(request, limits);
      seen += described(request);
    }
  }
  return seen + std::to_string(static_cast<int>(parser.state()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes = text_of(data, size);
  static const wire::HttpLimits narrow{200, 4, 32, 16};
  static const wire::HttpLimits wide;
  for (const wire::HttpLimits* limits : {&narrow, &wide})
    ensure(outcome({bytes}, *limits) == outcome(pieces_of(bytes), *limits),
           "the same however the input is cut");
  return 0;
}
