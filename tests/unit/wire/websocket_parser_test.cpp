#include "wire/websocket_parser.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <vector>

#include "client_deflate.hpp"
#include "client_frames.hpp"
#include "wire/deflate.hpp"

namespace ringcast::wire {
namespace {

using Kind = WebsocketEventKind;
using namespace std::string_literals;

constexpr WebsocketLimits kLimits;

std::string described(const WebsocketEvent& event) {
  switch (event.kind) {
    case Kind::need_more:
      return "";
    case Kind::text:
      return fmt::format("text({})", event.data);
    case Kind::binary:
      return fmt::format("binary({})", event.data);
    case Kind::ping:
      return fmt::format("ping({})", event.data);
    case Kind::pong:
      return fmt::format("pong({})", event.data);
    case Kind::close:
      return fmt::format("close({} {})", event.close_code, event.data);
    case Kind::failed:
      return fmt::format("failed({})", close_row(event.reason).code);
  }
  return "";
}

// Each piece in a buffer of its own that ends with it: what is held on to too long, or read beyond
// its end, the address sanitizer sees.
void feed(WebsocketParser& parser, std::string_view piece, std::string& seen) {
  const auto buffer = std::make_unique<char[]>(piece.size());
  std::copy(piece.begin(), piece.end(), buffer.get());
  std::span<char> input(buffer.get(), piece.size());
  for (;;) {
    const WebsocketEvent event = parser.next(input);
    if (event.kind == Kind::need_more) break;
    seen += described(event);
  }
  EXPECT_TRUE(input.empty());
}

std::string outcome(const std::vector<std::string_view>& pieces,
                    const WebsocketLimits& limits = kLimits,
                    WebsocketParser::Compression compression = {}) {
  WebsocketParser parser(limits, compression);
  std::string seen;
  for (const std::string_view piece : pieces) feed(parser, piece, seen);
  if (!parser.ended() && !parser.is_between_messages()) seen += "...";
  return seen;
}

void expect_in_every_split(std::string_view bytes, std::string_view expected,
                           const WebsocketLimits& limits = kLimits,
                           WebsocketParser::Compression compression = {}) {
  ASSERT_EQ(outcome({bytes}, limits, compression), expected);
  std::vector<std::string_view> octets;
  for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
    ASSERT_EQ(outcome({bytes.substr(0, cut), bytes.substr(cut)}, limits, compression), expected)
        << cut;
    octets.push_back(bytes.substr(cut, 1));
  }
  ASSERT_EQ(outcome(octets, limits, compression), expected) << "octet by octet";
}

TEST(WebsocketParser, KnowsAllSixteenOpcodes) {
  constexpr std::string_view kExpected[16] = {
      "failed(1002)", "text(ab)",     "binary(ab)",   "failed(1002)",
      "failed(1002)", "failed(1002)", "failed(1002)", "failed(1002)",
      "failed(1002)", "ping(ab)",     "pong(ab)",     "failed(1002)",
      "failed(1002)", "failed(1002)", "failed(1002)", "failed(1002)"};
  for (unsigned opcode = 0; opcode < 16; ++opcode)
    // A close frame of "ab" has the code 0x6162, which is not legal.
    expect_in_every_split(client_frame(0x80 | opcode, "ab"), kExpected[opcode]);
}

TEST(WebsocketParser, RefusesReservedBits) {
  for (const unsigned bits : {0x40U, 0x20U, 0x10U, 0x70U})
    for (const unsigned opcode : {0x1U, 0x2U, 0x8U, 0x9U, 0xaU})
      expect_in_every_split(client_frame(0x80 | bits | opcode, ""), "failed(1002)");
}

TEST(WebsocketParser, RefusesAFrameThatIsNotMasked) {
  expect_in_every_split("\x81\x02hi", "failed(1002)");
  expect_in_every_split("\x81\x00"s, "failed(1002)");
}

TEST(WebsocketParser, TakesEveryLengthFormAtItsBorders) {
  const WebsocketLimits limits{70'000, 10};
  for (const std::size_t size : {0U, 1U, 125U, 126U, 127U, 65'535U, 65'536U, 70'000U}) {
    const std::string payload(size, 'x');
    const std::string frame = client_frame(0x82, payload);
    EXPECT_EQ(outcome({frame}, limits), "binary(" + payload + ")");
    for (std::size_t cut = 1; cut < 16 && cut < frame.size(); ++cut) {
      const std::string_view bytes = frame;
      ASSERT_EQ(outcome({bytes.substr(0, cut), bytes.substr(cut)}, limits),
                "binary(" + payload + ")");
    }
  }
}

TEST(WebsocketParser, RefusesLengthsThatAreNotShortest) {
  for (const std::uint64_t length : {0U, 1U, 125U})
    expect_in_every_split(client_header(0x82, length, 2), "failed(1002)");
  for (const std::uint64_t length : {0U, 125U, 126U, 65'535U})
    expect_in_every_split(client_header(0x82, length, 8), "failed(1002)");
}

TEST(WebsocketParser, RefusesA64BitLengthWithTheTopBit) {
  expect_in_every_split(client_header(0x82, std::uint64_t{1} << 63, 8), "failed(1002)");
  expect_in_every_split(client_header(0x82, ~std::uint64_t{0}, 8), "failed(1002)");
  expect_in_every_split(client_header(0x82, (std::uint64_t{1} << 63) - 1, 8), "failed(1009)");
}

TEST(WebsocketParser, LimitsAMessage) {
  const WebsocketLimits limits{10, 4};
  expect_in_every_split(client_frame(0x81, "0123456789"), "text(0123456789)", limits);
  expect_in_every_split(client_header(0x81, 11, 0), "failed(1009)", limits);
  expect_in_every_split(client_frame(0x01, "01234567") + client_frame(0x80, "89"),
                        "text(0123456789)", limits);
  expect_in_every_split(client_frame(0x01, "01234567") + client_header(0x80, 3, 0), "failed(1009)",
                        limits);
  expect_in_every_split(client_frame(0x89, "a ping may be longer"), "ping(a ping may be longer)",
                        limits);
}

TEST(WebsocketParser, LimitsTheFragmentsOfAMessage) {
  const WebsocketLimits limits{10, 3};
  const std::string three =
      client_frame(0x01, "") + client_frame(0x00, "a") + client_frame(0x80, "");
  expect_in_every_split(three + three, "text(a)text(a)", limits);
  expect_in_every_split(
      client_frame(0x01, "") + client_frame(0, "") + client_frame(0, "") + client_frame(0x80, ""),
      "failed(1008)", limits);
}

TEST(WebsocketParser, JoinsFragmentsAroundControlFrames) {
  expect_in_every_split(client_frame(0x01, "Hel") + client_frame(0x89, "ping") +
                            client_frame(0x00, "") + client_frame(0x8a, "") +
                            client_frame(0x80, "lo") + client_frame(0x82, "next"),
                        "ping(ping)pong()text(Hello)binary(next)");
  expect_in_every_split(client_frame(0x02, "\xff") + client_frame(0x80, "\xfe"),
                        "binary(\xff\xfe)");
}

TEST(WebsocketParser, RefusesFragmentsOutOfOrder) {
  expect_in_every_split(client_frame(0x80, "x"), "failed(1002)");
  expect_in_every_split(client_frame(0x00, "x"), "failed(1002)");
  expect_in_every_split(client_frame(0x01, "x") + client_frame(0x81, "y"), "failed(1002)");
  expect_in_every_split(client_frame(0x01, "x") + client_frame(0x02, "y"), "failed(1002)");
  expect_in_every_split(client_frame(0x81, "x") + client_frame(0x80, "y"), "text(x)failed(1002)");
}

TEST(WebsocketParser, RefusesControlFramesThatAreLongOrFragmented) {
  for (const unsigned opcode : {0x8U, 0x9U, 0xaU}) {
    expect_in_every_split(client_frame(opcode, ""), "failed(1002)");
    expect_in_every_split(client_header(0x80 | opcode, 126, 2), "failed(1002)");
    expect_in_every_split(client_header(0x80 | opcode, 65'536, 8), "failed(1002)");
  }
  const std::string most(125, 'p');
  expect_in_every_split(client_frame(0x89, most), "ping(" + most + ")");
}

TEST(WebsocketParser, EndsWithAClose) {
  expect_in_every_split(client_frame(0x88, ""), "close(1005 )");
  expect_in_every_split(client_frame(0x88, "\x03\xe8"), "close(1000 )");
  expect_in_every_split(client_frame(0x88, "\x0f\xa1why \xc3\xa9") + client_frame(0x81, "ignored"),
                        "close(4001 why \xc3\xa9)");
  expect_in_every_split(client_frame(0x01, "x") + client_frame(0x88, "\x03\xe9"), "close(1001 )");
  expect_in_every_split(client_frame(0x88, "\x03"), "failed(1002)");
  expect_in_every_split(client_frame(0x88, "\x03\xed"), "failed(1002)");
  expect_in_every_split(client_frame(0x88, "\x03\xe8\xed\xa0\x80"), "failed(1007)");
}

TEST(WebsocketParser, ChecksUtf8OverFragments) {
  const std::string euro = "\xe2\x82\xac";
  expect_in_every_split(client_frame(0x01, euro.substr(0, 1)) + client_frame(0x89, "") +
                            client_frame(0x00, euro.substr(1, 1)) +
                            client_frame(0x80, euro.substr(2)),
                        "ping()text(" + euro + ")");
  expect_in_every_split(client_frame(0x81, "abc\xe2\x82"), "failed(1007)");
  expect_in_every_split(client_frame(0x01, "\xe2") + client_frame(0x80, "\x82"), "failed(1007)");
  expect_in_every_split(
      client_frame(0x01, "\xe2\x82") + client_frame(0x00, "") + client_frame(0x80, ""),
      "failed(1007)");
  expect_in_every_split(client_frame(0x81, "\xed\xa0\x80"), "failed(1007)");
  expect_in_every_split(client_frame(0x82, "\xed\xa0\x80"), "binary(\xed\xa0\x80)");
}

TEST(WebsocketParser, FailsOnTheFirstWrongOctetInTheMiddleOfAFrame) {
  const std::string head = client_header(0x81, 60'000, 2);
  EXPECT_EQ(outcome({head, masked("abc\xff")}), "failed(1007)");
  EXPECT_EQ(outcome({head + masked("abc\xf4\x90")}), "failed(1007)");
  EXPECT_EQ(outcome({head + masked("abc\xf4\x8f")}), "...");
}

TEST(WebsocketParser, DoesNotCopyAMessageThatLiesWholeInTheInput) {
  WebsocketParser parser(kLimits);
  std::string bytes = client_frame(0x81, "first") + client_frame(0x81, "second");
  std::span<char> input(bytes);
  const WebsocketEvent event = parser.next(input);
  EXPECT_EQ(event.data, "first");
  EXPECT_EQ(event.data.data(), bytes.data() + 6);
  EXPECT_EQ(parser.next(input).data.data(), bytes.data() + 11 + 6);
  EXPECT_TRUE(parser.is_between_messages()) << "and so holds no memory";
}

TEST(WebsocketParser, HoldsNoMemoryOnceItsMessageIsTaken) {
  static_assert(sizeof(WebsocketParser) <= 24);
  WebsocketParser parser(kLimits);
  std::string seen;
  const std::string frame = client_frame(0x81, "a message in two pieces");
  feed(parser, std::string_view(frame).substr(0, 9), seen);
  EXPECT_FALSE(parser.is_between_messages());
  feed(parser, std::string_view(frame).substr(9), seen);
  EXPECT_TRUE(parser.is_between_messages());
  EXPECT_EQ(seen, "text(a message in two pieces)");
}

TEST(WebsocketParser, TakesNothingAfterAFailure) {
  WebsocketParser parser(kLimits);
  std::string seen;
  feed(parser, client_frame(0x83, ""), seen);
  feed(parser, client_frame(0x81, "x"), seen);
  EXPECT_TRUE(parser.ended());
  EXPECT_EQ(seen, "failed(1002)");
}

// Random sequences of frames, right and wrong, cut at random: whole and in pieces give the same.
TEST(WebsocketParser, GivesTheSameForRandomFramesInRandomPieces) {
  std::mt19937 random(7);
  const auto below = [&](unsigned n) { return static_cast<unsigned>(random() % n); };
  constexpr unsigned kFirst[] = {0x81, 0x82, 0x89, 0x8a, 0x01, 0x02, 0x00, 0x80, 0x88, 0x91};
  for (int round = 0; round < 2'000; ++round) {
    std::string bytes;
    for (unsigned frames = 1 + below(6); frames > 0; --frames) {
      std::string payload(below(8) == 0 ? below(300) : below(10), 'a');
      if (!payload.empty() && below(4) == 0)
        payload[below(static_cast<unsigned>(payload.size()))] = static_cast<char>(random());
      bytes += client_frame(kFirst[below(below(4) == 0 ? 10 : 4)], payload);
    }
    std::vector<std::string_view> pieces;
    for (std::string_view rest = bytes; !rest.empty(); rest.remove_prefix(pieces.back().size()))
      pieces.push_back(rest.substr(0, 1 + below(20)));
    const WebsocketLimits limits{280, 4};
    ASSERT_EQ(outcome({bytes}, limits), outcome(pieces, limits)) << "round " << round;
  }
}

// ---- permessage-deflate (RFC 7692) ----

void expect_inflated(std::string_view bytes, std::string_view expected,
                     const WebsocketLimits& limits = kLimits) {
  expect_in_every_split(bytes, expected, limits, WebsocketParser::Compression::deflate);
}

TEST(WebsocketParser, InflatesAMessageInOneFrameOrManyAndPlainOnesBetween) {
  const std::string body = deflated("Größe Größe Größe Größe");
  const std::string text = "text(Größe Größe Größe Größe)";
  expect_inflated(client_frame(0xc1, body), text);
  expect_inflated(client_frame(0xc2, body), "binary(Größe Größe Größe Größe)");
  expect_inflated(client_frame(0x81, "plain") + client_frame(0xc1, body) + client_frame(0x81, "x"),
                  "text(plain)" + text + "text(x)");
  // RFC 7692 section 6.1: cut anywhere, also where nothing is left for a frame.
  for (std::size_t cut = 0; cut <= body.size(); ++cut)
    expect_inflated(client_frame(0x41, body.substr(0, cut)) + client_frame(0x89, "p") +
                        client_frame(0x00, "") + client_frame(0x80, body.substr(cut)),
                    "ping(p)" + text);
}

TEST(WebsocketParser, RefusesRsv1WhereItMeansNothing) {
  const std::string body = deflated("Hello");
  expect_in_every_split(client_frame(0xc1, body), "failed(1002)");  // not negotiated
  expect_inflated(client_frame(0x41, body) + client_frame(0xc0, ""), "failed(1002)");
  expect_inflated(client_frame(0x01, "He") + client_frame(0xc0, "llo"), "failed(1002)");
  expect_inflated(client_frame(0xc0, body), "failed(1002)");
  for (const unsigned opcode : {0x8U, 0x9U, 0xaU})
    expect_inflated(client_frame(0xc0 | opcode, ""), "failed(1002)");
  for (const unsigned bits : {0x20U, 0x10U, 0x60U, 0x50U, 0x70U})
    expect_inflated(client_frame(0x81 | bits, body), "failed(1002)");
}

TEST(WebsocketParser, RefusesWhatDoesNotInflate) {
  expect_inflated(client_frame(0xc1, "\x06"), "failed(1007)");
  expect_inflated(client_frame(0xc1, ""), "failed(1007)");
  expect_inflated(client_frame(0xc1, deflated("Hello").substr(1)), "failed(1007)");
  expect_inflated(client_frame(0xc1, deflated("Hello") + "x"), "failed(1007)");
}

TEST(WebsocketParser, ChecksTheUtf8OfWhatItInflated) {
  expect_inflated(client_frame(0xc1, deflated("ab\xff")), "failed(1007)");
  expect_inflated(client_frame(0xc1, deflated("ab\xc3")), "failed(1007)");  // within a character
  expect_inflated(client_frame(0xc2, deflated("ab\xff")), "binary(ab\xff)");
  // At once: the message is not over.
  expect_inflated(client_frame(0x41, deflated("ab\xff")), "failed(1007)");
}

TEST(WebsocketParser, LimitsTheInflatedMessage) {
  const WebsocketLimits limits{100, 10};
  expect_inflated(client_frame(0xc2, deflated(std::string(100, 'x'))),
                  "binary(" + std::string(100, 'x') + ")", limits);
  expect_inflated(client_frame(0xc2, deflated(std::string(101, 'x'))), "failed(1009)", limits);
  expect_inflated(client_frame(0xc2, deflated(std::string(1 << 20, 'x')).substr(0, 120)),
                  "failed(1009)", limits);
}

TEST(WebsocketParser, LimitsTheCompressedMessageToWhatTheInflatedOneMayTake) {
  const WebsocketLimits limits{100, 10};
  const std::size_t most = compressed_bytes_max(100);
  // Blocks that are empty say nothing, in any number.
  std::string body;
  while (body.size() + 5 <= most - 1) body += "\x00\x00\x00\xff\xff"s;
  body += '\0';
  expect_inflated(client_frame(0xc2, body), "binary()", limits);
  expect_inflated(client_header(0xc2, most + 1, 2), "failed(1009)", limits);
  expect_inflated(client_frame(0x42, body) + client_frame(0x80, std::string(most, '\0')),
                  "failed(1009)", limits);
}

TEST(WebsocketParser, KeepsNothingOfAMessageForTheNext) {
  const std::string body = deflated("Hello Hello");
  WebsocketParser parser(kLimits, WebsocketParser::Compression::deflate);
  std::string seen;
  for (int i = 0; i < 3; ++i) feed(parser, client_frame(0xc1, body), seen);
  EXPECT_EQ(seen, "text(Hello Hello)text(Hello Hello)text(Hello Hello)");
  EXPECT_TRUE(parser.is_between_messages());
}

}  // namespace
}  // namespace ringcast::wire
