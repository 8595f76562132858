// The WebSocket parser gives the same events however its input is cut, within its limits.
#include <fmt/format.h>

#include <memory>

#include "base/ensure.hpp"
#include "message/names.hpp"
#include "pieces.hpp"
#include "wire/websocket_parser.hpp"

namespace {

using namespace ringcast;
using wire::WebsocketEventKind;

void check(const wire::WebsocketEvent& event, const wire::WebsocketLimits& limits) {
  const bool is_text =
      event.kind == WebsocketEventKind::text || event.kind == WebsocketEventKind::close;
  if (is_text) ensure(is_valid_utf8(event.data), "text is UTF-8");
  if (event.kind == WebsocketEventKind::text || event.kind == WebsocketEventKind::binary)
    ensure(event.data.size() <= limits.message_bytes_max, "messages are bounded");
  else
    ensure(event.data.size() <= wire::kControlPayloadBytesMax, "control frames are bounded");
}

std::string outcome(const std::vector<std::string_view>& pieces,
                    const wire::WebsocketLimits& limits) {
  wire::WebsocketParser parser(limits);
  std::string seen;
  for (const std::string_view piece : pieces) {
    const auto buffer = std::make_unique<char[]>(piece.size());
    std::copy(piece.begin(), piece.end(), buffer.get());
    std::span<char> input(buffer.get(), piece.size());
    for (;;) {
      const wire::WebsocketEvent event = parser.next(input);
      if (event.kind == WebsocketEventKind::need_more) break;
      check(event, limits);
      seen += fmt::format("{} {} {} ", static_cast<int>(event.kind), event.close_code,
                          static_cast<int>(event.reason));
      seen += event.data;
    }
    ensure(input.empty(), "the input is used up");
  }
  return seen + (parser.ended() ? "ended" : parser.is_between_messages() ? "between" : "within");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes = text_of(data, size);
  static const wire::WebsocketLimits narrow{40, 3};
  static const wire::WebsocketLimits wide;
  for (const wire::WebsocketLimits* limits : {&narrow, &wide})
    ensure(outcome({bytes}, *limits) == outcome(pieces_of(bytes), *limits),
           "the same however the input is cut");
  return 0;
}
