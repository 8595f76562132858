#include "wire/websocket_frame.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "message/names.hpp"

namespace ringcast::wire {
namespace {

using namespace std::string_literals;

// RFC 6455 section 5.2: the shortest length form is the only legal one.
struct HeaderCase {
  std::uint64_t payload_bytes;
  std::string_view header;
};
const HeaderCase kServerHeaders[] = {
    {0, {"\x82\x00", 2}},
    {1, {"\x82\x01", 2}},
    {125, {"\x82\x7d", 2}},
    {126, {"\x82\x7e\x00\x7e", 4}},
    {65'535, {"\x82\x7e\xff\xff", 4}},
    {65'536, {"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00", 10}},
    {0x0123456789abcdef, {"\x82\x7f\x01\x23\x45\x67\x89\xab\xcd\xef", 10}},
};

TEST(WebsocketFrame, UsesTheShortestLengthForm) {
  for (const auto& [payload_bytes, header] : kServerHeaders) {
    std::string out = "x";
    append_frame_header(out, WebsocketOpcode::binary, payload_bytes);
    EXPECT_EQ(out, "x" + std::string(header)) << payload_bytes;
    EXPECT_EQ(frame_header_size(payload_bytes), header.size()) << payload_bytes;
  }
}

TEST(WebsocketFrame, IsWrittenFinalAndUnmasked) {
  std::string out;
  append_frame(out, WebsocketOpcode::text, "hi");
  append_frame(out, WebsocketOpcode::ping, "");
  append_frame(out, WebsocketOpcode::pong, "p");
  EXPECT_EQ(out, "\x81\x02hi\x89\x00\x8a\x01p"s);
}

TEST(WebsocketFrame, OfControlKindHolds125OctetsAtMost) {
  std::string out;
  append_frame(out, WebsocketOpcode::ping, std::string(125, 'p'));
  EXPECT_EQ(out.size(), 127U);
  EXPECT_DEATH(append_frame(out, WebsocketOpcode::ping, std::string(126, 'p')), "125");
}

TEST(CloseFrame, HoldsCodeAndText) {
  std::string out;
  append_close_frame(out, 1000, "bye");
  EXPECT_EQ(out, "\x88\x05\x03\xe8"s + "bye");
  out.clear();
  append_close_frame(out, kNoCloseCode, "ignored");
  EXPECT_EQ(out, "\x88\x00"s);
}

TEST(CloseFrame, IsCutBetweenCharacters) {
  for (const std::size_t before : {119U, 120U, 121U, 122U, 123U, 124U}) {
    const std::string text = std::string(before, 'a') + "\xe2\x82\xac\xe2\x82\xac";
    std::string out;
    append_close_frame(out, 1000, text);
    const std::string_view kept = std::string_view(out).substr(4);
    EXPECT_TRUE(is_valid_utf8(kept));
    EXPECT_LE(kept.size(), kCloseTextBytesMax);
    EXPECT_GT(kept.size(), kCloseTextBytesMax - 3);
    EXPECT_EQ(kept, text.substr(0, kept.size()));
  }
}

TEST(CloseFrame, CanBeMadeForEveryReason) {
  for (int i = 0; i <= static_cast<int>(CloseReason::kicked); ++i) {
    const CloseRow row = close_row(static_cast<CloseReason>(i));
    std::string out;
    append_close_frame(out, static_cast<CloseReason>(i));
    const CloseVerdict verdict = decode_close_payload(std::string_view(out).substr(2));
    ASSERT_TRUE(verdict.payload.has_value()) << row.text;
    EXPECT_EQ(verdict.payload->code, row.code);
    EXPECT_EQ(verdict.payload->text, row.text);
  }
}

// RFC 6455 section 7.4, and IANA's registry for 1012 to 1014.
TEST(CloseCode, IsLegalOnlyInItsRanges) {
  for (int code = 0; code <= 0xffff; ++code) {
    const bool legal =
        (code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006) ||
        (code >= 3000 && code < 5000);
    const std::string payload{static_cast<char>(code >> 8), static_cast<char>(code & 0xff)};
    const CloseVerdict verdict = decode_close_payload(payload);
    ASSERT_EQ(verdict.payload.has_value(), legal) << code;
    if (legal) {
      ASSERT_EQ(verdict.payload->code, code);
    } else {
      ASSERT_EQ(verdict.reason, CloseReason::protocol_error) << code;
    }
  }
}

TEST(ClosePayload, IsEmptyOrACodeWithValidText) {
  EXPECT_EQ(decode_close_payload("").payload->code, kNoCloseCode);
  EXPECT_EQ(decode_close_payload("\x03").reason, CloseReason::protocol_error);
  EXPECT_EQ(decode_close_payload("\x03\xe8"s + "ok \xc3\xa9").payload->text, "ok \xc3\xa9");
  EXPECT_EQ(decode_close_payload("\x03\xe8\xc3").reason, CloseReason::invalid_utf8);
  EXPECT_EQ(decode_close_payload("\x03\xec\xff").reason, CloseReason::protocol_error)
      << "the code is judged first";
}

TEST(Unmask, IsRightAtEveryAlignmentLengthAndPhase) {
  const std::array<char, 4> mask{'\x12', '\xff', '\x00', '\xa5'};
  for (std::size_t phase = 0; phase < 4; ++phase)
    for (std::size_t offset = 0; offset < 9; ++offset)
      for (std::size_t length = 0; length < 80; ++length) {
        std::vector<char> bytes(offset + length + 1, '\x5a');
        for (std::size_t i = 0; i < length; ++i)
          bytes[offset + i] =
              static_cast<char>(i ^ static_cast<unsigned char>(mask[(phase + i) & 3]));
        unmask(std::span(bytes).subspan(offset, length), mask, phase);
        for (std::size_t i = 0; i < length; ++i)
          ASSERT_EQ(bytes[offset + i], static_cast<char>(i)) << phase << offset << length;
        ASSERT_EQ(bytes.back(), '\x5a') << "beyond the end";
        if (offset != 0) {
          ASSERT_EQ(bytes[offset - 1], '\x5a') << "before the begin";
        }
      }
}

TEST(ClientFrameHeader, IsPartialUntilItsLastOctet) {
  const FrameContext context{false, 0, 0, std::size_t{1} << 62, 10};
  for (const std::string& header :
       {"\x81\x85mask"s, "\x82\xfe\x00\x7emask"s, "\x82\xff\x00\x00\x00\x00\x00\x01\x00\x00mask"s,
        "\x89\x80mask"s}) {
    for (std::size_t have = 0; have < header.size(); ++have)
      EXPECT_EQ(decode_client_frame_header(std::span(header).first(have), context).kind,
                HeaderVerdict::Kind::partial);
    const HeaderVerdict verdict = decode_client_frame_header(header, context);
    EXPECT_EQ(verdict.kind, HeaderVerdict::Kind::whole);
    EXPECT_EQ(verdict.header.header_bytes, header.size());
    EXPECT_EQ(std::string_view(verdict.header.mask.data(), 4), "mask");
  }
}

}  // namespace
}  // namespace ringcast::wire
