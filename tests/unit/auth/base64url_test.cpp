#include "auth/base64url.hpp"

#include <gtest/gtest.h>

namespace ringcast {
namespace {

// RFC 4648 section 10, without the padding; and the octets whose text differs from plain base64.
struct Pair {
  std::string_view octets;
  std::string_view text;
};
constexpr Pair kPairs[] = {{"", ""},
                           {"f", "Zg"},
                           {"fo", "Zm8"},
                           {"foo", "Zm9v"},
                           {"foob", "Zm9vYg"},
                           {"fooba", "Zm9vYmE"},
                           {"foobar", "Zm9vYmFy"},
                           {"\xfb\xff", "-_8"},
                           {"\xff\xff\xff", "____"}};

TEST(Base64url, ReadsAndWritesTheVectorsOfRfc4648) {
  for (const auto& [octets, text] : kPairs) {
    EXPECT_EQ(encode_base64url(octets), text);
    EXPECT_EQ(decode_base64url(text), octets) << text;
  }
}

TEST(Base64url, RefusesAllButTheOneText) {
  for (const std::string_view text : {"Zg==", "Zg=", "=", "Z", "Zm9vY", "Zh", "Zm9", "Zm 8",
                                      "Zm8\n", "+/8", "Zm8.", "Zm\xc3\xa9"})
    EXPECT_FALSE(decode_base64url(text)) << text;
}

TEST(Base64url, RefusesAnOctetOfZeroInTheText) {
  EXPECT_FALSE(decode_base64url(std::string_view("Zm8\0", 4)));
}

TEST(Base64url, BringsBackEveryOctetAtEveryLength) {
  std::string octets;
  for (int i = 0; i < 300; ++i) {
    octets += static_cast<char>(i * 7);
    const std::string text = encode_base64url(octets);
    ASSERT_EQ(decode_base64url(text), octets) << i;
    ASSERT_EQ(text.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                     "0123456789-_"),
              std::string::npos);
  }
}

}  // namespace
}  // namespace ringcast
