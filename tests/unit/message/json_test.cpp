#include "message/json.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <simdjson.h>

namespace ringcast {
namespace {

using ::testing::HasSubstr;

Result<Payload> any(std::string_view text) { return check_payload(text, JsonShape::any, "data"); }

std::string nested(std::size_t levels, std::string_view open, std::string_view close) {
  std::string text;
  for (std::size_t i = 0; i < levels; ++i) text += open;
  for (std::size_t i = 0; i < levels; ++i) text += close;
  return text;
}

TEST(Payload, IsWhatWasSent) {
  for (const std::string_view text :
       {"{}", "[]", "null", "true", "0", "-0", "1.5e-7", "\"\"", R"({"a":[1,{"b":"\u00e9\n"}]})",
        R"({ "spaces" : [ 1 , 2 ] })", R"({"a":1,"a":2})", R"("\ud83d\ude00")",
        "\"caf\xc3\xa9 \xf0\x9f\x98\x80\"", "9007199254740993", "18446744073709551615",
        "-9223372036854775808", "1e308", R"("\u0000")", "\"\x7f\""}) {
    const auto payload = any(text);
    ASSERT_TRUE(payload) << text << ": " << payload.error().detail;
    EXPECT_EQ(**payload, text);
  }
}

TEST(Payload, IsValidatedWhole) {
  for (const std::string_view text : {"",
                                      " ",
                                      "\n",
                                      "{",
                                      "}",
                                      "[",
                                      "]",
                                      R"({"a":tru,"b":[1 2]})",
                                      R"({"a":1,})",
                                      "[1,]",
                                      "[,1]",
                                      R"({"a" 1})",
                                      R"({a:1})",
                                      R"({'a':1})",
                                      R"({"a":1}{"b":2})",
                                      R"({"a":1} x)",
                                      "01",
                                      "+1",
                                      ".5",
                                      "1.",
                                      "1e",
                                      "0x1",
                                      "NaN",
                                      "Infinity",
                                      "tru",
                                      "nulll",
                                      "\"",
                                      R"("\x")",
                                      R"("\u12")",
                                      "\"a\tb\"",
                                      "\"a\nb\"",
                                      "\"\x1f\"",
                                      "// c\n1",
                                      "1 /* c */",
                                      "[1 2]",
                                      R"({"a":[1,{"b":}]})",
                                      "\xef\xbb\xbf{}"})
    EXPECT_FALSE(any(text)) << text;
  EXPECT_FALSE(any(std::string_view("\0", 1)));
  EXPECT_FALSE(any(std::string_view("{}\0", 3)));
}

TEST(Payload, IsUtf8WithoutLoneSurrogates) {
  for (const std::string_view text :
       {"\"\xff\"", "\"\xc3\"", "\"\xc0\x80\"", "\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"",
        "\"\xe2\x82\"", R"("\ud800")", R"("\udc00")", R"("\ud800\ud800")", R"({"\ud800":1})"})
    EXPECT_FALSE(any(text)) << text;
}

TEST(Payload, HasNumbersInRange) {
  for (const std::string_view text : {"1e309", "-1e309", "[1e999]", R"({"a":123456789e400})"})
    EXPECT_FALSE(any(text)) << text;
  EXPECT_TRUE(any("1e-400"));  // nothing, but a number
}

TEST(Payload, IsNested32DeepAtMost) {
  EXPECT_TRUE(any(nested(32, "[", "]")));
  EXPECT_FALSE(any(nested(33, "[", "]")));
  EXPECT_TRUE(any(nested(31, R"({"a":)", "}").replace(31 * 5, 0, "[]")));
  EXPECT_FALSE(any(nested(32, R"({"a":)", "}").replace(32 * 5, 0, "[]")));
  EXPECT_TRUE(any(nested(31, "[", "]").replace(31, 0, R"({"a":1})")));
  EXPECT_FALSE(any(nested(32, "[", "]").replace(32, 0, R"({"a":1})")));
  EXPECT_FALSE(any(nested(1'000'000, "[", "]")));
  EXPECT_FALSE(any(std::string(1'000'000, '[')));
  EXPECT_THAT(any(nested(33, "[", "]")).error().detail, HasSubstr("32"));
}

TEST(Payload, FitsIntoALineOfServerSentEvents) {
  struct Case {
    std::string_view text;
    std::string_view kept;
  };
  for (const auto& [text, kept] :
       {Case{"{\r\n  \"a\": 1,\n  \"b\": \"x y\"\r}\n", R"({"a":1,"b":"x y"})"},
        {"[1,\n2]", "[1,2]"},
        {"\n\"a  b\"\n", "\"a  b\""},
        {"\r1\r", "1"},
        {" \t{} \t", "{}"},
        {"{ }", "{ }"}}) {
    const auto payload = any(text);
    ASSERT_TRUE(payload) << text;
    EXPECT_EQ(**payload, kept);
    EXPECT_EQ((*payload)->find_first_of("\r\n"), std::string::npos);
  }
}

TEST(Payload, IsAnObjectWhereOneIsAskedFor) {
  EXPECT_TRUE(check_payload(R"({"a":1})", JsonShape::object, "data"));
  for (const std::string_view text : {"[]", "1", "null", "\"{}\"", "true"}) {
    const auto payload = check_payload(text, JsonShape::object, "data");
    ASSERT_FALSE(payload) << text;
    EXPECT_THAT(payload.error().detail, HasSubstr("data: is not a JSON object"));
  }
}

TEST(Payload, NamesTheFieldInItsError) {
  const auto payload = check_payload("{", JsonShape::any, "messages[2].data");
  ASSERT_FALSE(payload);
  EXPECT_EQ(payload.error().code, Errc::validation);
  EXPECT_TRUE(payload.error().detail.starts_with("messages[2].data: "));
}

TEST(Payload, IsACopyThatOutlivesItsSource) {
  std::string source = R"({"a":1})";
  const auto payload = any(source);
  source.assign(source.size(), 'x');
  EXPECT_EQ(**payload, R"({"a":1})");
}

TEST(Payload, IsReadAfterALargerOneAndAfterAWrongOne) {
  const std::string large = "[" + std::string(100'000, ' ') + "1]";
  EXPECT_TRUE(any(large));
  EXPECT_FALSE(any("{"));
  EXPECT_TRUE(any("{}"));
  EXPECT_FALSE(any(nested(33, "[", "]")));
  EXPECT_TRUE(any(nested(32, "[", "]")));
}

TEST(AppendJsonString, BringsBackEveryText) {
  for (int c = 0; c < 128; ++c) {
    const std::string text = "a" + std::string(1, static_cast<char>(c)) + "z";
    std::string out;
    append_json_string(out, text);
    simdjson::dom::parser parser;
    std::string_view read;
    ASSERT_EQ(parser.parse(out).get(read), simdjson::SUCCESS) << c;
    EXPECT_EQ(read, text);
  }
}

TEST(AppendJsonString, EscapesNoMoreThanItMust) {
  std::string out = "x";
  append_json_string(out, "caf\xc3\xa9/\"\\\n");
  EXPECT_EQ(out, "x\"caf\xc3\xa9/\\\"\\\\\\u000a\"");
  out.clear();
  append_json_string(out, "");
  EXPECT_EQ(out, "\"\"");
}

TEST(AppendJsonField, PutsCommasBetweenFieldsOnly) {
  std::string out = "{";
  append_json_field(out, "a", "1");
  append_json_field(out, "b\"", "{");
  append_json_field(out, "c", "");
  EXPECT_EQ(out + "}", R"({"a":"1","b\"":"{","c":""})");
}

}  // namespace
}  // namespace ringcast
