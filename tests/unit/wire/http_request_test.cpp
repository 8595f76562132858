#include "wire/http_request.hpp"

#include <gtest/gtest.h>

namespace ringcast::wire {
namespace {

TEST(HttpRequest, FindsHeadersInAnyCase) {
  HttpRequest request;
  request.headers = {{"Accept", "a"}, {"X-List", "one, Two"}, {"x-list", ",,three ,"}};
  EXPECT_EQ(request.header("ACCEPT"), "a");
  EXPECT_EQ(request.header("accep"), "");
  EXPECT_EQ(request.header("X-LIST"), "one, Two");
  EXPECT_EQ(request.header_count("x-List"), 2U);
  for (const std::string_view token : {"ONE", "two", "three"})
    EXPECT_TRUE(request.header_has_token("x-list", token)) << token;
  for (const std::string_view token : {"", "on", "one, Two", "a"})
    EXPECT_FALSE(request.header_has_token("x-list", token)) << token;
}

TEST(HttpRequest, DecodesQueryParameters) {
  HttpRequest request;
  request.query = "room=a%3Ab&token=x.y-z&room=c+d&flag&=nameless&&r%6Fom=e&bad=%G";
  EXPECT_EQ(request.query_parameters("room"), (std::vector<std::string>{"a:b", "c d", "e"}));
  EXPECT_EQ(request.query_parameter("room"), "a:b");
  EXPECT_EQ(request.query_parameter("token"), "x.y-z");
  EXPECT_EQ(request.query_parameter("flag"), "");
  EXPECT_EQ(request.query_parameter("absent"), std::nullopt);
  EXPECT_EQ(request.query_parameter("bad"), std::nullopt);
  EXPECT_TRUE(HttpRequest{}.query_parameters("room").empty());
}

TEST(HttpRequest, KnowsJsonByItsContentType) {
  const auto is_json = [](std::vector<std::pair<std::string, std::string>> headers) {
    HttpRequest request;
    request.headers = std::move(headers);
    return request.has_json_content();
  };
  for (const char* yes : {"application/json", "Application/JSON", "application/json;charset=utf-8",
                          "application/json ; charset=utf-8"})
    EXPECT_TRUE(is_json({{"content-type", yes}})) << yes;
  for (const char* no : {"", "text/plain", "application/jsonp", "application/json, text/plain",
                         "text/plain; application/json", "application/x-www-form-urlencoded"})
    EXPECT_FALSE(is_json({{"content-type", no}})) << no;
  EXPECT_FALSE(is_json({}));
  EXPECT_FALSE(is_json({{"Content-Type", "application/json"}, {"Content-Type", "text/plain"}}));
}

TEST(PercentDecode, TakesWellFormedEscapesOnly) {
  EXPECT_EQ(percent_decode("a%20b%2f%2F%e9+", PlusSign::literal), "a b//\xe9+");
  EXPECT_EQ(percent_decode("a+b%2B", PlusSign::space), "a b+");
  EXPECT_EQ(percent_decode("", PlusSign::literal), "");
  EXPECT_EQ(percent_decode("%00", PlusSign::literal), std::string(1, '\0'));
  EXPECT_EQ(percent_decode("%2541", PlusSign::literal), "%41") << "decoded once";
  for (const char* bad : {"%", "a%", "%4", "%g0", "%0g", "%%41", "% 1", "%+1", "%-1"})
    EXPECT_EQ(percent_decode(bad, PlusSign::literal), std::nullopt) << bad;
}

TEST(HttpToken, HoldsNoSeparatorsControlsOrOctetsAboveAscii) {
  int tokens = 0;
  for (int byte = 0; byte < 256; ++byte)
    if (is_http_token(std::string(1, static_cast<char>(byte)))) ++tokens;
  EXPECT_EQ(tokens, 77) << "RFC 9110 section 5.6.2: 62 alphanumeric and 15 others";
  EXPECT_FALSE(is_http_token(""));
  EXPECT_FALSE(is_http_token("a b"));
  EXPECT_TRUE(is_http_token("Sec-WebSocket-Key"));
}

TEST(HttpSpace, IsTrimmedAtBothEnds) {
  EXPECT_EQ(trim_http_space(" \t a b\t "), "a b");
  EXPECT_EQ(trim_http_space(" \t "), "");
  EXPECT_EQ(trim_http_space(""), "");
  EXPECT_EQ(trim_http_space("\va"), "\va");
}

}  // namespace
}  // namespace ringcast::wire
