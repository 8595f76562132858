#include "wire/http_request_parser.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>

namespace ringcast::wire {
namespace {

using State = HttpParserState;

// Everything that a client can tell apart about a request, as text.
std::string described(const HttpRequest& request) {
  std::string text =
      fmt::format("{} {} path={} query={} 1.{} {}", request.method, request.target, request.path,
                  request.query, request.version_minor, request.keep_alive ? "keep" : "close");
  for (const auto& [name, value] : request.headers) text += fmt::format(" [{}={}]", name, value);
  return text + " body=" + request.body;
}

// Feeds one piece; the requests and the refusal that it brings are appended to `seen`.
void feed_all(HttpRequestParser& parser, std::string_view bytes, std::string& seen) {
  while (!bytes.empty()) {
    bytes.remove_prefix(parser.feed(bytes));
    if (parser.state() == State::complete) {
      seen += described(parser.take()) + "\n";
    } else if (parser.state() == State::failed) {
      seen += fmt::format("{} {}\n", parser.error().status, parser.error().detail);
      return;
    } else {
      ASSERT_TRUE(bytes.empty());
    }
  }
}

template <class... Pieces>
std::string outcome(const HttpLimits& limits, Pieces... pieces) {
  HttpRequestParser parser(limits);
  std::string seen;
  for (const std::string_view piece : std::array<std::string_view, sizeof...(pieces)>{pieces...})
    if (parser.state() != State::failed) feed_all(parser, piece, seen);
  if (parser.state() == State::header) seen += "in header";
  if (parser.state() == State::body) seen += "in body";
  return seen;
}

void expect_same_in_every_split(std::string_view bytes, const HttpLimits& limits) {
  const std::string whole = outcome(limits, bytes);
  for (std::size_t cut = 1; cut < bytes.size(); ++cut)
    ASSERT_EQ(whole, outcome(limits, bytes.substr(0, cut), bytes.substr(cut))) << "cut at " << cut;
  HttpRequestParser parser(limits);
  std::string seen;
  for (std::size_t i = 0; i < bytes.size() && parser.state() != State::failed; ++i)
    feed_all(parser, bytes.substr(i, 1), seen);
  if (parser.state() == State::header) seen += "in header";
  if (parser.state() == State::body) seen += "in body";
  ASSERT_EQ(whole, seen) << "octet by octet";
}

constexpr HttpLimits kLimits;

HttpRequest parsed(std::string_view bytes) {
  HttpRequestParser parser(kLimits);
  EXPECT_EQ(parser.feed(bytes), bytes.size());
  EXPECT_EQ(parser.state(), State::complete)
      << (parser.state() == State::failed ? parser.error().detail : "");
  return parser.state() == State::complete ? parser.take() : HttpRequest{};
}

int refused(std::string_view bytes, const HttpLimits& limits = kLimits) {
  HttpRequestParser parser(limits);
  (void)parser.feed(bytes);
  if (parser.state() != State::failed) return 0;
  EXPECT_FALSE(parser.error().detail.empty());
  return parser.error().status;
}

TEST(HttpRequestParser, ReadsARequest) {
  const HttpRequest request = parsed(
      "POST /api/a%20b%2Fc?x=1&y=%7B HTTP/1.1\r\nHost: localhost:8000\r\nX-One: \t a \tb\t \r\n"
      "content-LENGTH: 5\r\nEmpty:\r\n\r\nhello");
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.target, "/api/a%20b%2Fc?x=1&y=%7B");
  EXPECT_EQ(request.path, "/api/a b/c");
  EXPECT_EQ(request.query, "x=1&y=%7B");
  EXPECT_EQ(request.version_minor, 1);
  EXPECT_EQ(request.header("x-one"), "a \tb");
  EXPECT_EQ(request.header("empty"), "");
  EXPECT_EQ(request.header_count("EMPTY"), 1U);
  EXPECT_EQ(request.body, "hello");
  EXPECT_TRUE(request.keep_alive);
}

TEST(HttpRequestParser, LeavesWhatFollowsARequestToTheCaller) {
  HttpRequestParser parser(kLimits);
  const std::string one = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n";
  const std::string two = "GET /b HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\r\n";
  const std::string frame = "\x81\x85";
  const std::string all = one + two + frame;
  EXPECT_EQ(parser.feed(all), one.size());
  EXPECT_EQ(parser.take().path, "/a");
  EXPECT_EQ(parser.state(), State::idle);
  EXPECT_EQ(parser.feed(std::string_view(all).substr(one.size())), two.size());
  EXPECT_EQ(parser.feed("more"), 0U) << "a complete request is to be taken first";
  EXPECT_EQ(parser.take().path, "/b");
}

TEST(HttpRequestParser, PutsChunksTogetherAndDropsExtensionsAndTrailers) {
  const HttpRequest request = parsed(
      "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\n\r\n"
      "5;name=\"a b\"\r\nhello\r\n00A\r\n0123456789\r\n0\r\nX-Trailer: 1\r\nContent-Length: "
      "9\r\n\r\n");
  EXPECT_EQ(request.body, "hello0123456789");
  EXPECT_EQ(request.header_count("x-trailer"), 0U);
  EXPECT_EQ(request.header_count("content-length"), 0U);
}

TEST(HttpRequestParser, GivesTheSameInEverySplit) {
  const std::string_view samples[] = {
      "\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\nGET /x?y HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
      "POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\nHost: "
      "h\r\nConnection: close\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n1\r\nd\r\n0"
      "\r\nT: v\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: h\n\r\n",
      "GET / HTTP/1.1\r\nHo\rst: h\r\n\r\n",
      "GET / HTTP/2.0\r\nHost: h\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\n0\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffffff\r\n",
      "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc",
  };
  for (const std::string_view sample : samples) {
    expect_same_in_every_split(sample, kLimits);
    HttpLimits narrow;
    narrow.target_bytes_max = 4;
    narrow.header_bytes_max = 60;
    narrow.header_lines_max = 1;
    narrow.body_bytes_max = 4;
    expect_same_in_every_split(sample, narrow);
  }
}

struct Abuse {
  std::string_view what;
  std::string bytes;
  int status;  // 0: taken
};

std::string with_headers(std::string_view headers, std::string_view body = "") {
  return fmt::format("POST / HTTP/1.1\r\nHost: h\r\n{}\r\n{}", headers, body);
}

std::string chunked(std::string_view body) {
  return with_headers("Transfer-Encoding: chunked\r\n", body);
}

std::vector<Abuse> framing_abuse() {
  return {
      {"no Host", "GET / HTTP/1.1\r\n\r\n", 400},
      {"no Host in 1.0", "GET / HTTP/1.0\r\n\r\n", 0},
      {"two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400},
      {"two Hosts in 1.0", "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400},
      {"Host with a list", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400},
      {"Host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
      {"Host with a user", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400},
      {"Host as IPv6", "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", 0},
      {"TE gzip", with_headers("Transfer-Encoding: gzip\r\n"), 400},
      {"TE chunked twice in one", with_headers("Transfer-Encoding: chunked, chunked\r\n"), 400},
      {"TE twice", with_headers("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
       400},
      {"TE gzip, chunked", with_headers("Transfer-Encoding: gzip, chunked\r\n"), 400},
      {"TE chunked, gzip", with_headers("Transfer-Encoding: chunked, gzip\r\n"), 400},
      {"TE chunked with a parameter", with_headers("Transfer-Encoding: chunked;a=b\r\n"), 400},
      {"TE in quotes", with_headers("Transfer-Encoding: \"chunked\"\r\n"), 400},
      {"TE with a vertical tab", with_headers("Transfer-Encoding: \vchunked\r\n"), 400},
      {"TE empty", with_headers("Transfer-Encoding:\r\n"), 400},
      {"TE identity", with_headers("Transfer-Encoding: identity\r\n"), 400},
      {"TE in 1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
      {"TE and CL", with_headers("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"), 400},
      {"CL and TE", with_headers("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), 400},
      {"CL twice, equal", with_headers("Content-Length: 1\r\nContent-Length: 1\r\n", "a"), 400},
      {"CL twice, different", with_headers("Content-Length: 1\r\nContent-Length: 2\r\n"), 400},
      {"CL list", with_headers("Content-Length: 1, 1\r\n", "a"), 400},
      {"CL +5", with_headers("Content-Length: +5\r\n", "hello"), 400},
      {"CL -5", with_headers("Content-Length: -5\r\n", "hello"), 400},
      {"CL 0x5", with_headers("Content-Length: 0x5\r\n", "hello"), 400},
      {"CL 5 5", with_headers("Content-Length: 5 5\r\n", "hello"), 400},
      {"CL 5.0", with_headers("Content-Length: 5.0\r\n", "hello"), 400},
      {"CL empty", with_headers("Content-Length:\r\n"), 400},
      {"CL 0", with_headers("Content-Length: 0\r\n"), 0},
      {"CL 005", with_headers("Content-Length: 005\r\n", "hello"), 0},
      {"CL 2^64", with_headers("Content-Length: 18446744073709551616\r\n"), 413},
      {"CL of 40 digits", with_headers("Content-Length: " + std::string(40, '9') + "\r\n"), 413},
  };
}

std::vector<Abuse> line_abuse() {
  using namespace std::string_literals;
  return {
      {"obs-fold", with_headers("A: b\r\n c\r\n"), 400},
      {"obs-fold with a tab", with_headers("A: b\r\n\tc\r\n"), 400},
      {"fold before the first header", "GET / HTTP/1.1\r\n Host: h\r\n\r\n", 400},
      {"bare LF after the request line", "GET / HTTP/1.1\nHost: h\r\n\r\n", 400},
      {"bare LF after a header", "GET / HTTP/1.1\r\nHost: h\n\r\n", 400},
      {"bare LF as the empty line", "GET / HTTP/1.1\r\nHost: h\r\n\n", 400},
      {"bare CR in a value", with_headers("A: b\rc\r\n"), 400},
      {"CR CR LF", with_headers("A: b\r\r\n"), 400},
      {"bare CR in the request line", "GET /\r HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"NUL in a value", with_headers("A: b\0c\r\n"s), 400},
      {"escape in a value", with_headers("A: b\x1b[0m\r\n"), 400},
      {"DEL in a value", with_headers("A: b\x7f\r\n"), 400},
      {"tab in a value", with_headers("A: b\tc\r\n"), 0},
      {"obs-text in a value", with_headers("A: \xe9\r\n"), 0},
      {"space before the colon", with_headers("A : b\r\n"), 400},
      {"space before the colon of Host", "GET / HTTP/1.1\r\nHost : h\r\n\r\n", 400},
      {"no colon", with_headers("Nonsense\r\n"), 400},
      {"empty name", with_headers(": b\r\n"), 400},
      {"name with a slash", with_headers("A/B: b\r\n"), 400},
      {"name with NUL", with_headers("A\0: b\r\n"s), 400},
      {"name with obs-text", with_headers("\xc3\xa9: b\r\n"), 400},
      {"unknown version", "GET / HTTP/2.0\r\nHost: h\r\n\r\n", 505},
      {"version 1.2", "GET / HTTP/1.2\r\nHost: h\r\n\r\n", 505},
      {"the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
      {"version 0.9 form", "GET /\r\n", 400},
      {"version in lower case", "GET / http/1.1\r\nHost: h\r\n\r\n", 400},
      {"version 1.10", "GET / HTTP/1.10\r\nHost: h\r\n\r\n", 400},
      {"space after the version", "GET / HTTP/1.1 \r\nHost: h\r\n\r\n", 400},
      {"unknown method", "BREW / HTTP/1.1\r\nHost: h\r\n\r\n", 501},
      {"method in lower case", "get / HTTP/1.1\r\nHost: h\r\n\r\n", 501},
      {"TRACE", "TRACE / HTTP/1.1\r\nHost: h\r\n\r\n", 501},
      {"CONNECT", "CONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\n", 501},
      {"method that is no token", "G(T / HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"no method", " / HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"two spaces", "GET  / HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"tab for a space", "GET\t/ HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"two empty lines before", "\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"one empty line before", "\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", 0},
      {"TLS on a plain port", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n"s, 400},
  };
}

std::vector<Abuse> target_and_chunk_abuse() {
  using namespace std::string_literals;
  std::vector<Abuse> rows;
  for (const std::string_view bad :
       {"a", "/%", "/%4", "/%zz", "/%00", "/%0a", "/%ff", "/%c0%af", "/%ed%a0%80", "/a#b", "/?%",
        "/?a=%g0", "*", "//\xc3\xa9", "http://", "http:///x", "http://u@h/", "ftp://h/",
        "http://other/"})
    rows.push_back({bad, fmt::format("GET {} HTTP/1.1\r\nHost: h\r\n\r\n", bad), 400});
  for (const std::string_view good :
       {"/", "/%C3%a9", "/..//./", "/?a=%00", "http://h", "http://H/x?y", "HTTPS://h/"})
    rows.push_back({good, fmt::format("GET {} HTTP/1.1\r\nHost: h\r\n\r\n", good), 0});
  rows.push_back({"OPTIONS *", "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", 0});
  for (const std::string_view bad : {"0x3\r\nabc\r\n0\r\n\r\n",
                                     "+3\r\nabc\r\n0\r\n\r\n",
                                     "-3\r\nabc\r\n0\r\n\r\n",
                                     " 3\r\nabc\r\n0\r\n\r\n",
                                     "3 \r\nabc\r\n0\r\n\r\n",
                                     "3 ;a\r\nabc\r\n0\r\n\r\n",
                                     "\r\nabc\r\n0\r\n\r\n",
                                     ";a\r\nabc\r\n0\r\n\r\n",
                                     "3\nabc\r\n0\r\n\r\n",
                                     "3;a\nb\r\nabc\r\n0\r\n\r\n",
                                     "3;a\rb\r\nabc\r\n0\r\n\r\n",
                                     "3\r\nabc0\r\n\r\n",
                                     "3\r\nabcd\r\n0\r\n\r\n",
                                     "3\r\nabc\n0\r\n\r\n",
                                     "3\r\nab\r\n0\r\n\r\n",
                                     "g\r\n",
                                     "3\r\nabc\r\n0\r\nbad trailer\r\n\r\n",
                                     "3\r\nabc\r\n0\r\nA: b\r\n c\r\n\r\n",
                                     "3\r\nabc\r\n0\r\nA: b\n\r\n",
                                     "3\r\nabc\r\n0\r\n\n"})
    rows.push_back({bad, chunked(bad), 400});
  rows.push_back({"chunk of 2^64", chunked("10000000000000000\r\n"), 413});
  rows.push_back({"chunk above the limit", chunked("100001\r\n"), 413});
  rows.push_back({"chunk with an extension", chunked("3;a=\"b\"\r\nabc\r\n0;z\r\n\r\n"), 0});
  return rows;
}

TEST(HttpRequestParser, RefusesAbuseWithTheRightStatusInEverySplit) {
  for (const auto& rows : {framing_abuse(), line_abuse(), target_and_chunk_abuse()})
    for (const Abuse& row : rows) {
      EXPECT_EQ(refused(row.bytes), row.status) << row.what;
      if (row.status == 0) (void)parsed(row.bytes);
      expect_same_in_every_split(row.bytes, kLimits);
    }
}

TEST(HttpRequestParser, LimitsTheHeaderBlock) {
  const std::string begin = "GET / HTTP/1.1\r\nHost: h\r\nA: ";
  const std::string end = "\r\n\r\n";
  const std::size_t fits = kLimits.header_bytes_max - begin.size() - end.size();
  EXPECT_EQ(refused(begin + std::string(fits, 'a') + end), 0);
  EXPECT_EQ(refused(begin + std::string(fits + 1, 'a') + end), 431);
  EXPECT_EQ(refused(begin + std::string(kLimits.header_bytes_max - begin.size(), 'a')), 431)
      << "also before the line has an end";
}

TEST(HttpRequestParser, LimitsTheNumberOfHeaders) {
  const auto request = [](std::size_t lines) {
    std::string text = "GET / HTTP/1.1\r\nHost: h\r\n";
    for (std::size_t i = 1; i < lines; ++i) text += "A: b\r\n";
    return text + "\r\n";
  };
  EXPECT_EQ(refused(request(kLimits.header_lines_max)), 0);
  EXPECT_EQ(refused(request(kLimits.header_lines_max + 1)), 431);
}

TEST(HttpRequestParser, LimitsTheTarget) {
  const auto request = [](std::size_t bytes) {
    return "GET /" + std::string(bytes - 1, 'a') + " HTTP/1.1\r\nHost: h\r\n\r\n";
  };
  EXPECT_EQ(refused(request(kLimits.target_bytes_max)), 0);
  EXPECT_EQ(refused(request(kLimits.target_bytes_max + 1)), 414);
  EXPECT_EQ(refused(request(100'000)), 414);
  EXPECT_EQ(refused("GET /" + std::string(9'000, 'a')), 414) << "also before the line has an end";
}

TEST(HttpRequestParser, LimitsTheBodyBeforeItComes) {
  HttpLimits limits;
  limits.body_bytes_max = 10;
  EXPECT_EQ(refused(with_headers("Content-Length: 10\r\n", "0123456789"), limits), 0);
  EXPECT_EQ(refused(with_headers("Content-Length: 11\r\n"), limits), 413);
  EXPECT_EQ(refused(chunked("A\r\n0123456789\r\n0\r\n\r\n"), limits), 0);
  EXPECT_EQ(refused(chunked("B\r\n"), limits), 413);
  EXPECT_EQ(refused(chunked("9\r\n012345678\r\n2\r\n"), limits), 413);
}

TEST(HttpRequestParser, LimitsAChunkLine) {
  const auto line = [](std::size_t bytes) { return "1;" + std::string(bytes - 4, 'x') + "\r\n"; };
  EXPECT_EQ(refused(chunked(line(kChunkLineBytesMax) + "a\r\n0\r\n\r\n")), 0);
  EXPECT_EQ(refused(chunked(line(kChunkLineBytesMax + 1) + "a\r\n0\r\n\r\n")), 400);
  EXPECT_EQ(refused(chunked(std::string(kChunkLineBytesMax, '0'))), 400);
}

TEST(HttpRequestParser, LimitsAllChunkExtensionsTogether) {
  const auto body = [](std::size_t chunks) {
    std::string text;
    for (std::size_t i = 0; i < chunks; ++i) text += "1;" + std::string(127, 'x') + "\r\na\r\n";
    return chunked(text + "0\r\n\r\n");
  };
  EXPECT_EQ(refused(body(kLimits.header_bytes_max / 128)), 0);
  EXPECT_EQ(refused(body(kLimits.header_bytes_max / 128 + 1)), 400);
}

TEST(HttpRequestParser, LimitsTrailers) {
  const auto trailers = [](std::size_t lines) {
    std::string text = "0\r\n";
    for (std::size_t i = 0; i < lines; ++i) text += "T: v\r\n";
    return chunked(text + "\r\n");
  };
  EXPECT_EQ(refused(trailers(kLimits.header_lines_max)), 0);
  EXPECT_EQ(refused(trailers(kLimits.header_lines_max + 1)), 431);
  EXPECT_EQ(refused(chunked("0\r\nT: " + std::string(kLimits.header_bytes_max, 'a'))), 431);
}

TEST(HttpRequestParser, SetsNothingAsideForABodyThatHasNotCome) {
  HttpRequestParser parser(kLimits);
  const std::string head = with_headers("Content-Length: 1000000\r\n");
  EXPECT_EQ(parser.feed(head + "abc"), head.size() + 3);
  EXPECT_EQ(parser.state(), State::body);
  EXPECT_LT(parser.request().body.capacity(), 100U);
}

TEST(HttpRequestParser, TellsWhoWaitsForContinue) {
  HttpRequestParser parser(kLimits);
  EXPECT_FALSE(parser.expects_continue());
  (void)parser.feed(with_headers("Expect: 100-Continue\r\nContent-Length: 2\r\n"));
  EXPECT_TRUE(parser.expects_continue());
  EXPECT_EQ(parser.request().path, "/");
  (void)parser.feed("a");
  EXPECT_FALSE(parser.expects_continue());
  (void)parser.feed("b");
  EXPECT_EQ(parser.take().body, "ab");

  (void)parser.feed(with_headers("Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n"));
  EXPECT_TRUE(parser.expects_continue());
  (void)parser.feed("1");
  EXPECT_FALSE(parser.expects_continue());

  HttpRequestParser old(kLimits);
  (void)old.feed("POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  EXPECT_EQ(old.state(), State::body);
  EXPECT_FALSE(old.expects_continue());
}

TEST(HttpRequestParser, KnowsWhetherTheConnectionStays) {
  struct Case {
    std::string_view version, headers;
    bool keep;
  };
  constexpr Case kCases[] = {{"1.1", "", true},
                             {"1.1", "Connection: close\r\n", false},
                             {"1.1", "Connection: x, Close\r\n", false},
                             {"1.1", "Connection: x\r\nConnection: close\r\n", false},
                             {"1.1", "Connection: closed\r\n", true},
                             {"1.0", "", false},
                             {"1.0", "Connection: Keep-Alive\r\n", true},
                             {"1.0", "Connection: keep-alive, close\r\n", false}};
  for (const Case& row : kCases)
    EXPECT_EQ(parsed(fmt::format("GET / HTTP/{}\r\nHost: h\r\n{}\r\n", row.version, row.headers))
                  .keep_alive,
              row.keep)
        << row.version << " " << row.headers;
}

TEST(HttpRequestParser, StaysFailed) {
  HttpRequestParser parser(kLimits);
  (void)parser.feed("BAD\r\n");
  EXPECT_EQ(parser.state(), State::failed);
  EXPECT_EQ(parser.feed("GET / HTTP/1.1\r\nHost: h\r\n\r\n"), 0U);
  EXPECT_EQ(parser.error().status, 400);
}

}  // namespace
}  // namespace ringcast::wire
