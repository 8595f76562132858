#include "wire/websocket_client_frame.hpp"

#include <gtest/gtest.h>

#include "unit/wire/client_frames.hpp"

namespace ringcast::wire {
namespace {

using Kind = ServerFrameVerdict::Kind;

constexpr FrameMask kMask{'\x37', '\xfa', '\x21', '\x3d'};

// The frame of RFC 6455 section 5.7, "a single-frame masked text message".
TEST(WebsocketClientFrame, IsMaskedAsInTheStandardsExample) {
  std::string out;
  append_client_frame(out, WebsocketOpcode::text, "Hello", kMask);
  EXPECT_EQ(out, "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
}

TEST(WebsocketClientFrame, IsWhatTheServerReads) {
  for (const std::size_t size : {0U, 1U, 125U, 126U, 65'535U, 65'536U}) {
    const std::string payload(size, 'x');
    std::string out = "before";
    append_client_frame(out, WebsocketOpcode::binary, payload, kMask);
    EXPECT_EQ(out.substr(6), client_frame(0x82, payload)) << size;
  }
}

TEST(WebsocketClientFrame, OfTheServerIsReadAtEachLengthForm) {
  for (const std::size_t size : {0U, 1U, 125U, 126U, 65'535U, 65'536U}) {
    std::string bytes;
    append_frame(bytes, WebsocketOpcode::text, std::string(size, 'y'));
    const std::size_t frame_bytes = bytes.size();
    bytes += "rest";
    const auto verdict = decode_server_frame(bytes, 65'536);
    ASSERT_EQ(verdict.kind, Kind::whole) << size;
    EXPECT_EQ(verdict.frame.opcode, WebsocketOpcode::text);
    EXPECT_TRUE(verdict.frame.final);
    EXPECT_EQ(verdict.frame.payload, std::string(size, 'y'));
    EXPECT_EQ(verdict.frame.frame_bytes, frame_bytes);
  }
}

TEST(WebsocketClientFrame, OfTheServerIsPartialUpToItsLastOctet) {
  for (const std::size_t size : {5U, 126U, 65'536U}) {
    std::string bytes;
    append_frame(bytes, WebsocketOpcode::text, std::string(size, 'y'));
    const std::size_t step = size > 1'000 ? 997 : 1;
    for (std::size_t cut = 0; cut < bytes.size(); cut += step)
      EXPECT_EQ(decode_server_frame(bytes.substr(0, cut), 65'536).kind, Kind::partial) << cut;
  }
}

TEST(WebsocketClientFrame, OfTheServerMayBeAFragment) {
  const auto verdict = decode_server_frame(std::string_view("\x01\x02hi", 4), 100);
  ASSERT_EQ(verdict.kind, Kind::whole);
  EXPECT_FALSE(verdict.frame.final);
  EXPECT_EQ(verdict.frame.payload, "hi");
}

TEST(WebsocketClientFrame, AtItsLimitIsTakenAndBeyondRefusedBeforeItHasCome) {
  EXPECT_EQ(decode_server_frame(std::string("\x81\x64", 2) + std::string(100, 'a'), 100).kind,
            Kind::whole);
  EXPECT_EQ(decode_server_frame(std::string_view("\x81\x65", 2), 100).kind, Kind::refused);
  EXPECT_EQ(decode_server_frame(std::string_view("\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xff", 10),
                                SIZE_MAX / 2)
                .kind,
            Kind::refused);
}

struct Bad {
  std::string_view name;
  std::string_view bytes;
};

class BadServerFrame : public testing::TestWithParam<Bad> {};

// Whatever comes behind, and wherever the octets are cut once the wrong one is there.
TEST_P(BadServerFrame, IsRefusedWithASentence) {
  const std::string bytes = std::string(GetParam().bytes) + std::string(200, 'x');
  for (std::size_t cut = GetParam().bytes.size(); cut <= bytes.size(); ++cut) {
    const auto verdict = decode_server_frame(std::string_view(bytes).substr(0, cut), 65'536);
    EXPECT_EQ(verdict.kind, Kind::refused) << cut;
    EXPECT_FALSE(verdict.problem.empty());
  }
}

INSTANTIATE_TEST_SUITE_P(
    WebsocketClientFrame, BadServerFrame,
    testing::Values(Bad{"ReservedBit1", {"\xc1", 1}}, Bad{"ReservedBit3", {"\x91", 1}},
                    Bad{"Opcode3", {"\x83", 1}}, Bad{"Opcode7", {"\x87", 1}},
                    Bad{"OpcodeB", {"\x8b", 1}}, Bad{"PingInPieces", {"\x09", 1}},
                    Bad{"Masked", {"\x81\x85", 2}}, Bad{"LongPing", {"\x89\x7e", 2}},
                    Bad{"LongForm125", {"\x81\x7e\x00\x7d", 4}},
                    Bad{"LongForm65535", {"\x81\x7f\x00\x00\x00\x00\x00\x00\xff\xff", 10}}),
    [](const auto& param) { return std::string(param.param.name); });

}  // namespace
}  // namespace ringcast::wire
