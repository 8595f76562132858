// Compressed messages inflate to the same however they are cut, within their limits; an offer is
// chosen and answered without surprise; what the Deflater makes, the parser reads.
#include <fmt/format.h>

#include <memory>

#include "base/ensure.hpp"
#include "message/names.hpp"
#include "pieces.hpp"
#include "wire/deflate.hpp"
#include "wire/deflate_offer.hpp"
#include "wire/websocket_parser.hpp"

namespace {

using namespace ringcast;
using wire::WebsocketEventKind;

std::string outcome(const std::vector<std::string_view>& pieces,
                    const wire::WebsocketLimits& limits) {
  wire::WebsocketParser parser(limits, wire::WebsocketParser::Compression::deflate);
  std::string seen;
  for (const std::string_view piece : pieces) {
    const auto buffer = std::make_unique<char[]>(piece.size());
    std::copy(piece.begin(), piece.end(), buffer.get());
    std::span<char> input(buffer.get(), piece.size());
    for (;;) {
      const wire::WebsocketEvent event = parser.next(input);
      if (event.kind == WebsocketEventKind::need_more) break;
      if (event.kind == WebsocketEventKind::text) ensure(is_valid_utf8(event.data), "UTF-8");
      ensure(event.data.size() <= std::max(limits.message_bytes_max, std::size_t{125}), "bounded");
      seen += fmt::format("{} {} {} ", static_cast<int>(event.kind), event.close_code,
                          static_cast<int>(event.reason));
      seen += event.data;
    }
  }
  return seen + (parser.ended() ? "ended" : parser.is_between_messages() ? "between" : "within");
}

// The octets as the body of one compressed message, and not only as frames: a fuzzer that has to
// write headers seldom comes to what is behind them.
std::string framed(std::string_view body) {
  std::string frame;
  wire::append_compressed_frame(frame, wire::WebsocketOpcode::text, body);
  frame[1] = static_cast<char>(frame[1] | static_cast<char>(wire::kMasked));
  return frame.insert(frame.size() - body.size(), 4, '\0');
}

void check_round_trip(std::string_view message) {
  wire::Deflater deflater(0);
  std::string frame;
  if (!deflater.append_frame(frame, wire::WebsocketOpcode::text, message)) return;
  const std::size_t header_bytes = frame[1] < 126 ? 2 : frame[1] == 126 ? 4 : 10;
  wire::Inflater inflater;
  std::string out;
  using Verdict = wire::Inflater::Verdict;
  ensure(inflater.feed(std::string_view(frame).substr(header_bytes), out, message.size()) ==
                 Verdict::ok &&
             inflater.finish(out, message.size()) == Verdict::ok && out == message,
         "what is compressed can be read");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes = text_of(data, size);
  static const wire::WebsocketLimits narrow{40, 3};
  static const wire::WebsocketLimits wide;
  const std::string whole = framed(bytes);
  for (const wire::WebsocketLimits* limits : {&narrow, &wide})
    for (const std::string_view input : {bytes, std::string_view(whole)})
      ensure(outcome({input}, *limits) == outcome(pieces_of(input), *limits),
             "the same however the input is cut");
  check_round_trip(bytes);
  if (const auto terms = wire::choose_deflate(bytes))
    ensure(wire::choose_deflate(wire::deflate_answer(*terms)).has_value(), "an answer is legal");
  return 0;
}
