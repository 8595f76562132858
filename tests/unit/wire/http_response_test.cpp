#include "wire/http_response.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ringcast::wire {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string written(const HttpResponse& response,
                    HttpPersistence persistence = HttpPersistence::keep_alive,
                    HttpBody body = HttpBody::sent) {
  std::string out;
  append_response(out, response, persistence, body);
  return out;
}

TEST(HttpResponse, IsWrittenWithItsLength) {
  EXPECT_EQ(written({200, {{"Content-Type", "text/plain"}}, "hello"}),
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n"
            "Connection: keep-alive\r\n\r\nhello");
  EXPECT_EQ(written({404, {}, ""}, HttpPersistence::close),
            "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
}

TEST(HttpResponse, ToHeadHasTheLengthAndNoBody) {
  EXPECT_EQ(written({200, {}, "hello"}, HttpPersistence::keep_alive, HttpBody::omitted),
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n");
}

TEST(HttpResponse, WithoutABodyByItsStatusHasNoLength) {
  for (const int status : {204, 304}) {
    const std::string text = written({status, {}, "ignored"});
    EXPECT_THAT(text, Not(HasSubstr("Content-Length")));
    EXPECT_THAT(text, Not(HasSubstr("ignored")));
  }
}

TEST(HttpResponse, NeverHoldsAControlCharacterInAHeader) {
  using namespace std::string_literals;
  const std::string text = written({200, {{"X", "a\r\nSet-Cookie: b\0c\x7f\td"s}}, ""});
  EXPECT_THAT(text, HasSubstr("X: a  Set-Cookie: b c  d\r\n"));
}

TEST(HttpResponseDeathTest, RefusesANameThatIsNoToken) {
  EXPECT_DEATH((void)written({200, {{"A: b\r\nC", "d"}}, ""}), "no token");
}

TEST(ErrorResponse, HasTheShapeOfTheServerApi) {
  const HttpResponse response = error_response(Error{Errc::forbidden, "not \"yours\""}, "c-1");
  EXPECT_EQ(response.status, 403);
  EXPECT_EQ(response.body,
            R"({"error":"FORBIDDEN","message":"not \"yours\"","correlationId":"c-1"})");
  const std::string text = written(response);
  EXPECT_THAT(text, HasSubstr("Content-Type: application/json\r\n"));
  EXPECT_THAT(text, Not(HasSubstr("Retry-After")));
}

TEST(ErrorResponse, SaysWhenToTryAgain) {
  for (const Errc code : {Errc::unavailable, Errc::rate_limited})
    EXPECT_THAT(written(error_response(Error{code, "later"}, "c")),
                HasSubstr("Retry-After: 1\r\n"));
}

TEST(ErrorResponse, NamesWhatTheParserRefused) {
  struct Case {
    int status;
    std::string_view code;
  };
  constexpr Case kCases[] = {{400, "VALIDATION_ERROR"},  {413, "PAYLOAD_TOO_LARGE"},
                             {414, "PAYLOAD_TOO_LARGE"}, {431, "PAYLOAD_TOO_LARGE"},
                             {501, "VALIDATION_ERROR"},  {505, "VALIDATION_ERROR"}};
  for (const Case& row : kCases) {
    const HttpResponse response = error_response(HttpError{row.status, "why"}, "c");
    EXPECT_EQ(response.status, row.status);
    EXPECT_THAT(response.body, HasSubstr(row.code));
    EXPECT_NE(reason_phrase(row.status), "Status") << row.status;
  }
}

TEST(ReasonPhrase, IsGivenForAnyStatus) {
  EXPECT_EQ(reason_phrase(101), "Switching Protocols");
  EXPECT_EQ(reason_phrase(299), "Status");
}

}  // namespace
}  // namespace ringcast::wire
