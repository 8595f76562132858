#include "wire/deflate.hpp"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "client_deflate.hpp"

namespace ringcast::wire {
namespace {

using namespace std::string_literals;
using Verdict = Inflater::Verdict;

constexpr std::size_t kEnough = 1 << 20;

// "Hello" as RFC 7692 section 7.2.3 has it.
const std::string kHello = "\xf2\x48\xcd\xc9\xc9\x07\x00"s;

struct Outcome {
  Verdict verdict;
  std::string out;
  bool operator==(const Outcome&) const = default;
};

Outcome inflated(const std::vector<std::string_view>& pieces, std::size_t bytes_max = kEnough) {
  Inflater inflater;
  Outcome outcome{};
  for (const std::string_view piece : pieces) {
    outcome.verdict = inflater.feed(std::string(piece), outcome.out, bytes_max);
    if (outcome.verdict != Verdict::ok) return outcome;
  }
  outcome.verdict = inflater.finish(outcome.out, bytes_max);
  return outcome;
}

void expect_in_every_split(std::string_view bytes, const Outcome& expected,
                           std::size_t bytes_max = kEnough) {
  ASSERT_EQ(inflated({bytes}, bytes_max), expected);
  std::vector<std::string_view> octets;
  for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
    ASSERT_EQ(inflated({bytes.substr(0, cut), bytes.substr(cut)}, bytes_max), expected) << cut;
    octets.push_back(bytes.substr(cut, 1));
  }
  ASSERT_EQ(inflated(octets, bytes_max), expected) << "octet by octet";
}

std::string rows(std::size_t bytes) {
  std::mt19937 random(7);
  std::string json = "[";
  while (json.size() < bytes)
    json += R"({"id":)" + std::to_string(random() % 100'000) + R"(,"status":"ready"},)";
  json.resize(bytes);
  return json;
}

std::string noise(std::size_t bytes) {
  std::mt19937 random(7);
  std::string out(bytes, '\0');
  for (char& c : out) c = static_cast<char>(random());
  return out;
}

// The payload of the one frame that the Deflater made, and whether RSV1 says that it is compressed.
struct Made {
  bool compressed = false;
  std::string payload;
};

Made made_by(Deflater& deflater, std::string_view message) {
  std::string frame;
  const bool compressed = deflater.append_frame(frame, WebsocketOpcode::text, message);
  const int size = static_cast<unsigned char>(frame.at(1));
  EXPECT_EQ(static_cast<unsigned char>(frame[0]), compressed ? 0xc1 : 0x81);
  return {compressed, frame.substr(size < 126 ? 2 : size == 126 ? 4 : 10)};
}

TEST(Inflater, ReadsTheExamplesOfTheRfc) {
  expect_in_every_split(kHello, {Verdict::ok, "Hello"});
  expect_in_every_split("\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"s, {Verdict::ok, "Hello"});
  expect_in_every_split("\xf3\x48\xcd\xc9\xc9\x07\x00\x00"s, {Verdict::ok, "Hello"});
  expect_in_every_split("\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"s,
                        {Verdict::ok, "Hello"});
  expect_in_every_split("\x00"s, {Verdict::ok, ""});
}

TEST(Inflater, ReadsWhatEveryLevelAndWindowMakes) {
  for (const std::string& message : {rows(0), rows(1), rows(1'000), rows(70'000), noise(9'000)})
    for (const int level : {0, 1, 6, 9})
      for (const int bits : {9, 12, 15}) {
        const Outcome expected{Verdict::ok, message};
        const std::string bytes = deflated(message, level, bits, Z_SYNC_FLUSH);
        EXPECT_EQ(inflated({bytes}), expected) << level << ' ' << bits;
        EXPECT_EQ(inflated({bytes, "\x00"s}).verdict, Verdict::broken);
        const std::string final = deflated(message, level, bits, Z_FINISH) + '\0';
        EXPECT_EQ(inflated({final}), expected) << level << ' ' << bits;
      }
}

TEST(Inflater, GivesTheSameInEverySplit) {
  expect_in_every_split(deflated(rows(3'000), 6, 15, Z_SYNC_FLUSH), {Verdict::ok, rows(3'000)});
}

TEST(Inflater, RefusesWhatIsNoDeflate) {
  expect_in_every_split("\x06"s, {Verdict::broken, ""});  // block type 3 is reserved
  expect_in_every_split("\x00\x05\x00\x05\x00Hello"s,
                        {Verdict::broken, ""});      // length and its complement
  expect_in_every_split("", {Verdict::broken, ""});  // an empty message is one octet
  EXPECT_EQ(inflated({noise(1'000)}).verdict, Verdict::broken);
}

TEST(Inflater, RefusesAMessageThatEndsWithinABlock) {
  const std::string whole = deflated(rows(200), 6, 12, Z_SYNC_FLUSH);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const Outcome outcome = inflated({std::string_view(whole).substr(0, size)});
    EXPECT_EQ(outcome.verdict, Verdict::broken) << size;
  }
}

// Also where the distance is larger than the window that the client might have agreed to.
TEST(Inflater, GivesTheSameInEverySplitBehindALongRun) {
  const std::string message = noise(5'000) + noise(5'000);
  const std::string bytes = deflated(message, 9, 15, Z_SYNC_FLUSH);
  const Outcome expected{Verdict::ok, message};
  for (std::size_t cut = 0; cut < bytes.size(); cut += 61) {
    const std::string_view whole = bytes;
    ASSERT_EQ(inflated({whole.substr(0, cut), whole.substr(cut)}), expected) << cut;
  }
}

TEST(Inflater, TakesBytesMaxAndNotOneMore) {
  const std::string bytes = deflated(rows(1'000), 6, 12, Z_SYNC_FLUSH);
  expect_in_every_split(bytes, {Verdict::ok, rows(1'000)}, 1'000);
  expect_in_every_split(bytes, {Verdict::too_large, rows(1'000).substr(0, 999)}, 999);
}

TEST(Inflater, StopsABombAtBytesMax) {
  const std::string bomb = deflated(std::string(64 << 20, 'x'), 9, 15, Z_SYNC_FLUSH);
  ASSERT_LT(bomb.size(), std::size_t{70'000});
  const Outcome outcome = inflated({bomb}, 65'536);
  EXPECT_EQ(outcome.verdict, Verdict::too_large);
  EXPECT_EQ(outcome.out.size(), 65'536U);
  EXPECT_LT(outcome.out.capacity(), std::size_t{200'000}) << "memory was spent on what is refused";
}

TEST(CompressedBytesMax, HoldsForWhatZlibMakesOfNoise) {
  for (const std::size_t size : {0U, 1U, 100U, 65'536U})
    for (const int level : {0, 1, 9})
      EXPECT_LE(deflated(noise(size), level, 9, Z_SYNC_FLUSH).size(), compressed_bytes_max(size));
}

TEST(Deflater, MakesMessagesThatStandAlone) {
  Deflater deflater(0);
  for (const std::size_t size : {100U, 1'024U, 16'384U, 200'000U, 1'024U}) {
    const Made made = made_by(deflater, rows(size));
    ASSERT_TRUE(made.compressed);
    EXPECT_LT(made.payload.size(), size);
    EXPECT_FALSE(made.payload.ends_with("\x00\x00\xff\xff"s));
    EXPECT_EQ(inflated({made.payload}), (Outcome{Verdict::ok, rows(size)}));
  }
}

TEST(Deflater, GivesTheSameOctetsForTheSameMessage) {
  Deflater deflater(0);
  const std::string first = made_by(deflater, rows(500)).payload;
  (void)made_by(deflater, noise(50'000));
  EXPECT_EQ(made_by(deflater, rows(500)).payload, first);
}

TEST(Deflater, KeepsToItsWindow) {
  Deflater deflater(0);
  const std::string message = noise(5'000) + noise(5'000);  // nothing to gain within 4,096 octets
  EXPECT_FALSE(made_by(deflater, message).compressed);
  EXPECT_TRUE(made_by(deflater, noise(2'000) + noise(2'000)).compressed);
}

TEST(Deflater, LeavesSmallMessagesAsTheyAre) {
  Deflater deflater(100);
  EXPECT_FALSE(made_by(deflater, std::string(99, 'x')).compressed);
  EXPECT_TRUE(made_by(deflater, std::string(100, 'x')).compressed);
}

TEST(Deflater, LeavesWhatWouldNotBecomeSmallerAsItIs) {
  Deflater deflater(0);
  for (const std::string& message : {""s, "a"s, noise(1'000), noise(100'000)}) {
    const Made made = made_by(deflater, message);
    EXPECT_FALSE(made.compressed);
    EXPECT_EQ(made.payload, message);
  }
}

}  // namespace
}  // namespace ringcast::wire
