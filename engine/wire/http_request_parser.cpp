#include "wire/http_request_parser.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/ensure.hpp"
#include "message/names.hpp"
#include "wire/http_line.hpp"

namespace ringcast::wire {

// What has come of one request. Each octet is looked at once; a line that is cut by the end of the
// input waits in line_, everything else goes where it belongs at once.
struct HttpRequestParser::Progress {
  enum class Expect { request_line, header, body, chunk_line, chunk_data, chunk_end, trailer };

  explicit Progress(const HttpLimits& of) : limits(of) {}

  void feed_line(std::string_view& bytes);
  void feed_data(std::string_view& bytes);
  void on_line(std::string_view line);
  void on_request_line(std::string_view line);
  void on_header(std::string_view line);
  void on_headers_end();
  void on_chunk_line(std::string_view line);
  void on_trailer(std::string_view line);
  [[nodiscard]] std::optional<HttpError> check_framing();
  [[nodiscard]] std::size_t line_bytes_max() const;
  [[nodiscard]] HttpError line_too_long() const;
  void count_line(std::size_t bytes);
  void fail(int status, std::string detail) { fail({status, std::move(detail)}); }
  void fail(HttpError why) {
    error = std::move(why);
    state = HttpParserState::failed;
  }
  void complete() { state = HttpParserState::complete; }

  const HttpLimits& limits;
  HttpRequest request;
  HttpError error;
  std::string line;                 // the begin of a line whose end has not come
  std::size_t block_bytes = 0;      // of the header block, later of the trailers
  std::size_t block_lines = 0;      // likewise
  std::size_t extension_bytes = 0;  // of all chunk extensions so far
  std::size_t data_left = 0;        // of the body, or of the chunk
  HttpParserState state = HttpParserState::header;
  Expect expect = Expect::request_line;
  bool skipped_empty_line = false;
  bool body_begun = false;
};

namespace {

constexpr std::string_view kMethods[] = {"GET",   "HEAD",   "POST",   "PUT",
                                         "PATCH", "DELETE", "OPTIONS"};

}  // namespace

std::size_t HttpRequestParser::Progress::line_bytes_max() const {
  switch (expect) {
    case Expect::request_line:
      return std::min(limits.target_bytes_max + kRequestLineExtraBytesMax,
                      limits.header_bytes_max - block_bytes);
    case Expect::header:
    case Expect::trailer:
      return limits.header_bytes_max - block_bytes;
    case Expect::chunk_line:
      return kChunkLineBytesMax;
    case Expect::chunk_end:
      return 2;
    case Expect::body:
    case Expect::chunk_data:
      break;
  }
  return 0;
}

HttpError HttpRequestParser::Progress::line_too_long() const {
  switch (expect) {
    case Expect::request_line:
      return {414, fmt::format("the request line is longer than a target of {} octets needs",
                               limits.target_bytes_max)};
    case Expect::header:
    case Expect::trailer:
      return {431, fmt::format("the headers have more than {} octets", limits.header_bytes_max)};
    case Expect::chunk_line:
      return {400, fmt::format("a chunk line has more than {} octets", kChunkLineBytesMax)};
    case Expect::chunk_end:
    case Expect::body:
    case Expect::chunk_data:
      break;
  }
  return {400, "a chunk is longer than it says (RFC 9112 section 7.1)"};
}

// A line is judged when it is whole, or longer than it may be: so the verdict does not depend on
// how the input is cut.
void HttpRequestParser::Progress::feed_line(std::string_view& bytes) {
  const std::size_t room = line_bytes_max() - line.size();
  const std::size_t end = bytes.substr(0, room).find('\n');
  if (end == std::string_view::npos) {
    if (bytes.size() >= room) return fail(line_too_long());
    line.append(bytes);
    bytes = {};
    return;
  }
  std::string_view whole = bytes.substr(0, end + 1);
  bytes.remove_prefix(end + 1);
  std::string joined;
  if (!line.empty()) {
    line.append(whole);
    joined = std::exchange(line, {});
    whole = joined;
  }
  count_line(whole.size());
  // RFC 9112 section 2.2 lets a recipient take a bare LF; a proxy before us may not have.
  if (!whole.ends_with("\r\n")) return fail(400, "a line ends with LF alone, expected CR LF");
  on_line(whole.substr(0, whole.size() - 2));
}

void HttpRequestParser::Progress::count_line(std::size_t bytes) {
  if (expect == Expect::chunk_line || expect == Expect::chunk_end) return;
  block_bytes += bytes;
}

void HttpRequestParser::Progress::on_line(std::string_view text) {
  switch (expect) {
    case Expect::request_line:
      return on_request_line(text);
    case Expect::header:
      return text.empty() ? on_headers_end() : on_header(text);
    case Expect::chunk_line:
      return on_chunk_line(text);
    case Expect::chunk_end:
      if (!text.empty()) return fail(line_too_long());
      expect = Expect::chunk_line;
      return;
    case Expect::trailer:
      return text.empty() ? complete() : on_trailer(text);
    case Expect::body:
    case Expect::chunk_data:
      ensure(false, "a line where the parser expects data");
  }
}

void HttpRequestParser::Progress::feed_data(std::string_view& bytes) {
  const std::string_view data = bytes.substr(0, data_left);
  body_begun = true;
  request.body.append(data);
  bytes.remove_prefix(data.size());
  data_left -= data.size();
  if (data_left != 0) return;
  if (expect == Expect::body) return complete();
  expect = Expect::chunk_end;
}

void HttpRequestParser::Progress::on_request_line(std::string_view text) {
  if (text.empty() && !std::exchange(skipped_empty_line, true)) return;  // RFC 9112 section 2.2
  const std::size_t first = text.find(' ');
  const std::size_t last = text.rfind(' ');
  if (first == std::string_view::npos || first == last)
    return fail(400, "the request line is not `method target version` (RFC 9112 section 3)");
  const std::string_view method = text.substr(0, first);
  const std::string_view target = text.substr(first + 1, last - first - 1);
  const std::string_view version = text.substr(last + 1);
  if (!is_http_version(version)) return fail(400, "the request line does not end with a version");
  if (version != "HTTP/1.1" && version != "HTTP/1.0")
    return fail(505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
  if (!is_http_token(method)) return fail(400, "the method is not a token");
  if (std::find(std::begin(kMethods), std::end(kMethods), method) == std::end(kMethods))
    return fail(501, "the method is not one that is known here");
  if (target.size() > limits.target_bytes_max)
    return fail(414, fmt::format("the target has {} octets, at most {} are taken", target.size(),
                                 limits.target_bytes_max));
  request.method = method;
  request.target = target;
  request.version_minor = version.back() - '0';
  if (!split_target(request)) return fail(400, "the target is not valid (RFC 9112 section 3.2)");
  expect = Expect::header;
}

void HttpRequestParser::Progress::on_header(std::string_view text) {
  if (++block_lines > limits.header_lines_max)
    return fail(431, fmt::format("there are more than {} headers", limits.header_lines_max));
  auto field = parse_header_line(text);
  if (!field) return fail(400, field.error().detail);
  request.headers.emplace_back(field->name, field->value);
}

void HttpRequestParser::Progress::on_trailer(std::string_view text) {
  if (++block_lines > limits.header_lines_max)
    return fail(431, fmt::format("there are more than {} trailers", limits.header_lines_max));
  // Dropped: RFC 9110 section 6.5.1 forbids to merge what is not known to be safe.
  if (auto field = parse_header_line(text); !field) return fail(400, field.error().detail);
}

void HttpRequestParser::Progress::on_headers_end() {
  if (auto problem = check_head(request)) return fail(400, std::move(*problem));
  request.keep_alive = wants_keep_alive(request);
  if (auto refused = check_framing()) return fail(std::move(*refused));
  block_bytes = block_lines = 0;
  if (expect == Expect::header) return complete();
  state = HttpParserState::body;
}

// RFC 9112 section 6: how the body ends. What can be read in two ways is refused, so that nobody
// smuggles a request past a proxy.
std::optional<HttpError> HttpRequestParser::Progress::check_framing() {
  const std::size_t codings = request.header_count("transfer-encoding");
  const std::size_t lengths = request.header_count("content-length");
  if (codings != 0) {
    if (lengths != 0) return HttpError{400, "Transfer-Encoding together with Content-Length"};
    if (request.version_minor == 0) return HttpError{400, "Transfer-Encoding in HTTP/1.0"};
    if (codings != 1 || !equals_ignoring_case(request.header("transfer-encoding"), "chunked"))
      return HttpError{400, "Transfer-Encoding is not exactly `chunked`"};
    expect = Expect::chunk_line;
    return std::nullopt;
  }
  if (lengths == 0) return std::nullopt;
  if (lengths != 1) return HttpError{400, "Content-Length is repeated"};
  const auto length = parse_decimal(request.header("content-length"));
  if (!length) return HttpError{400, "Content-Length is not a decimal number"};
  if (*length > limits.body_bytes_max)
    return HttpError{413, fmt::format("the body is longer than {} octets", limits.body_bytes_max)};
  data_left = static_cast<std::size_t>(*length);
  if (data_left != 0) expect = Expect::body;
  return std::nullopt;
}

// RFC 9112 section 7.1.1: extensions are ignored, and bounded over the whole body, because they
// cost us work and the sender nothing.
void HttpRequestParser::Progress::on_chunk_line(std::string_view text) {
  const auto chunk = parse_chunk_line(text);
  if (!chunk) return fail(400, "a chunk line is not `size` or `size;extension`");
  body_begun = true;
  extension_bytes += chunk->extension_bytes;
  if (extension_bytes > limits.header_bytes_max)
    return fail(400, fmt::format("chunk extensions have more than {} octets in all",
                                 limits.header_bytes_max));
  if (chunk->size > limits.body_bytes_max - request.body.size())
    return fail(413, fmt::format("the body is longer than {} octets", limits.body_bytes_max));
  data_left = static_cast<std::size_t>(chunk->size);
  expect = data_left == 0 ? Expect::trailer : Expect::chunk_data;
}

HttpRequestParser::HttpRequestParser(const HttpLimits& limits) : limits_(&limits) {}
HttpRequestParser::~HttpRequestParser() = default;
HttpRequestParser::HttpRequestParser(HttpRequestParser&&) noexcept = default;
HttpRequestParser& HttpRequestParser::operator=(HttpRequestParser&&) noexcept = default;

std::size_t HttpRequestParser::feed(std::string_view bytes) {
  if (bytes.empty()) return 0;
  if (!progress_) progress_ = std::make_unique<Progress>(*limits_);
  std::string_view rest = bytes;
  using Expect = Progress::Expect;
  while (!rest.empty() && (progress_->state == HttpParserState::header ||
                           progress_->state == HttpParserState::body)) {
    if (progress_->expect == Expect::body || progress_->expect == Expect::chunk_data)
      progress_->feed_data(rest);
    else
      progress_->feed_line(rest);
  }
  return bytes.size() - rest.size();
}

HttpParserState HttpRequestParser::state() const {
  return progress_ ? progress_->state : HttpParserState::idle;
}

const HttpError& HttpRequestParser::error() const {
  ensure(state() == HttpParserState::failed, "HttpRequestParser::error() without one");
  return progress_->error;
}

bool HttpRequestParser::expects_continue() const {
  return state() == HttpParserState::body && !progress_->body_begun && progress_->line.empty() &&
         progress_->request.version_minor == 1 &&
         equals_ignoring_case(progress_->request.header("expect"), "100-continue");
}

const HttpRequest& HttpRequestParser::request() const {
  ensure(state() == HttpParserState::body || state() == HttpParserState::complete,
         "HttpRequestParser::request() before its headers are whole");
  return progress_->request;
}

HttpRequest HttpRequestParser::take() {
  ensure(state() == HttpParserState::complete, "HttpRequestParser::take() of a part");
  HttpRequest request = std::move(progress_->request);
  progress_.reset();
  return request;
}

}  // namespace ringcast::wire
