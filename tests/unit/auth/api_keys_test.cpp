#include "auth/api_keys.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>

namespace ringcast {
namespace {

TEST(ApiKeys, KnowTheConfiguredKeysAndNoOther) {
  ApiKeys keys;
  ASSERT_TRUE(keys.add("dev"));
  ASSERT_TRUE(keys.add("a-longer.key_~+/=="));
  EXPECT_TRUE(keys.contains("dev"));
  EXPECT_TRUE(keys.contains("a-longer.key_~+/=="));
  for (const std::string_view wrong : {"", "de", "devv", "DEV", "dev ", "a-longer.key_~+/="})
    EXPECT_FALSE(keys.contains(wrong)) << wrong;
  EXPECT_FALSE(keys.contains(std::string_view("dev\0", 4)));
}

TEST(ApiKeys, WithoutAKeyNothingIsOne) {
  const ApiKeys keys;
  EXPECT_TRUE(keys.empty());
  EXPECT_FALSE(keys.contains(""));
  EXPECT_FALSE(keys.contains("dev"));
}

TEST(ApiKeys, RefuseAKeyThatNoHeaderCouldCarry) {
  ApiKeys keys;
  for (const std::string_view bad : {"", "with space", "k\xc3\xa9y", "a=b", "=", "a\r\nb", "a,b"})
    EXPECT_FALSE(keys.add(bad)) << bad;
  EXPECT_TRUE(keys.add(std::string(ApiKeys::kApiKeyBytesMax, 'k')));
  EXPECT_FALSE(keys.add(std::string(ApiKeys::kApiKeyBytesMax + 1, 'k')));
}

TEST(ApiKeys, HoldAtMostTheirLimit) {
  ApiKeys keys;
  for (std::size_t i = 0; i < ApiKeys::kApiKeysMax; ++i)
    ASSERT_TRUE(keys.add(fmt::format("key-{}", i)));
  EXPECT_FALSE(keys.add("one-more"));
  EXPECT_FALSE(keys.contains("one-more"));
  EXPECT_TRUE(keys.contains("key-63"));
}

struct Header {
  std::string_view value;
  std::string_view credentials;  // empty: none
};
constexpr Header kHeaders[] = {
    {"Bearer abc", "abc"},
    {"bearer abc", "abc"},
    {"BEARER   abc", "abc"},
    {"Bearer abc \t", "abc"},
    {"Bearer a.b-c_d~e+f/g==", "a.b-c_d~e+f/g=="},
    {"", ""},
    {"Bearer", ""},
    {"Bearer ", ""},
    {"Bearer  ", ""},
    {"Bearerabc", ""},
    {"Bearer\tabc", ""},
    {" Bearer abc", ""},
    {"Basic YWxhZGRpbjpvcGVuc2VzYW1l", ""},
    {"Bearer a b", ""},
    {"Bearer a,b", ""},
    {"Bearer a=b", ""},
    {"Bearer =", ""},
    {"Bearer \"abc\"", ""},
    {"Bearer caf\xc3\xa9", ""},
};

TEST(ApiKeys, TakeTheCredentialsOfABearerHeaderOnly) {
  for (const auto& [value, credentials] : kHeaders) {
    const auto found = bearer_credentials(value);
    EXPECT_EQ(found.has_value(), !credentials.empty()) << value;
    EXPECT_EQ(found.value_or(""), credentials);
  }
}

}  // namespace
}  // namespace ringcast
