#include "wire/utf8.hpp"

#include <gtest/gtest.h>

#include <string>

#include "message/names.hpp"

namespace ringcast::wire {
namespace {

bool is_valid(std::string_view text) {
  Utf8Validator validator;
  return validator.feed(text) && validator.at_boundary();
}

bool is_valid_in_two(std::string_view text, std::size_t cut) {
  Utf8Validator validator;
  return validator.feed(text.substr(0, cut)) && validator.feed(text.substr(cut)) &&
         validator.at_boundary();
}

struct Case {
  std::string_view text;
  bool valid;
};

// The borders of the table in RFC 3629 section 4, on both sides.
constexpr Case kCases[] = {
    {"", true},
    {"\x7f", true},
    {"\x80", false},              // a continuation alone
    {"\xbf", false},              //
    {"\xc0\x80", false},          // overlong NUL
    {"\xc1\xbf", false},          // overlong U+007F
    {"\xc2\x80", true},           // U+0080
    {"\xdf\xbf", true},           // U+07FF
    {"\xc2\x7f", false},          //
    {"\xc2\xc0", false},          //
    {"\xe0\x9f\xbf", false},      // overlong U+07FF
    {"\xe0\xa0\x80", true},       // U+0800
    {"\xed\x9f\xbf", true},       // U+D7FF
    {"\xed\xa0\x80", false},      // surrogates
    {"\xed\xbf\xbf", false},      //
    {"\xee\x80\x80", true},       // U+E000
    {"\xef\xbf\xbf", true},       // U+FFFF, a non-character and legal
    {"\xf0\x8f\xbf\xbf", false},  // overlong U+FFFF
    {"\xf0\x90\x80\x80", true},   // U+10000
    {"\xf4\x8f\xbf\xbf", true},   // U+10FFFF
    {"\xf4\x90\x80\x80", false},  // above
    {"\xf5\x80\x80\x80", false},  //
    {"\xf8\x88\x80\x80\x80", false},
    {"\xfe", false},
    {"\xff", false},
    {"\xc3", false},  // cut short
    {"\xe2\x82", false},
    {"\xf0\x9f\x98", false},
    {"\xe2\x82\xac\xe2\x82", false},
    {"\xe2\x82\x41", false},
    {"\xf0\x9f\x98\x80\xc3\xa9\xe2\x82\xac plain \xed\x95\x9c", true},
};

TEST(Utf8Validator, FollowsRfc3629AtEveryBorderAndInEverySplit) {
  for (const Case& row : kCases)
    // Behind ASCII of each length, so that the words of the fast path end at every place.
    for (std::size_t before = 0; before < 18; ++before) {
      const std::string text =
          std::string(before, 'a') + std::string(row.text) + std::string(17, 'z');
      const std::string_view cut_short(text.data(), before + row.text.size());
      ASSERT_EQ(is_valid(cut_short), row.valid) << before;
      ASSERT_EQ(is_valid(text), row.valid) << before;
      for (std::size_t cut = 0; cut <= cut_short.size(); ++cut)
        ASSERT_EQ(is_valid_in_two(cut_short, cut), row.valid) << before << " cut at " << cut;
    }
}

TEST(Utf8Validator, AgreesWithTheWholeCheckOnEveryThreeOctets) {
  for (unsigned first = 0x7f; first < 0x100; ++first)
    for (unsigned second = 0; second < 0x100; ++second)
      for (const unsigned third : {0x00U, 0x7fU, 0x80U, 0xbfU, 0xc0U, 0xffU}) {
        const std::string text{static_cast<char>(first), static_cast<char>(second),
                               static_cast<char>(third)};
        ASSERT_EQ(is_valid(text), is_valid_utf8(text)) << first << " " << second << " " << third;
      }
}

TEST(Utf8Validator, FailsAtTheFirstOctetThatCanNotBeSaved) {
  struct Early {
    std::string_view good, bad;
  };
  constexpr Early kEarly[] = {{"\xe0", "\x9f"}, {"\xed", "\xa0"}, {"\xf0", "\x8f"},
                              {"\xf4", "\x90"}, {"", "\xf5"},     {"\xf0\x90", "\x7f"}};
  for (const auto& [good, bad] : kEarly) {
    Utf8Validator validator;
    EXPECT_TRUE(validator.feed(good));
    EXPECT_FALSE(validator.feed(bad));
  }
}

}  // namespace
}  // namespace ringcast::wire
