#include "daemon/http_answer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "protocol/json_fields.hpp"
#include "wire/http_response.hpp"

namespace ringcast {

namespace {

constexpr std::string_view kEndOfLine = "\r\n";
constexpr std::string_view kEndOfHead = "\r\n\r\n";

Error no_answer(std::string_view why) {
  return {Errc::unavailable, fmt::format("the answer is not one of Ringcast: {}", why)};
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

std::optional<std::size_t> number(std::string_view text) {
  std::size_t value = 0;
  const char* end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, value);
  return read.ec == std::errc{} && read.ptr == end ? std::optional(value) : std::nullopt;
}

// RFC 9112 section 4: HTTP/1.1 SP 3DIGIT SP reason. `head` ends with the end of its last line.
Result<HttpAnswer> parse_head(std::string_view head) {
  HttpAnswer answer;
  constexpr std::string_view kVersion = "HTTP/1.1 ";
  if (!head.starts_with(kVersion)) return no_answer("no HTTP/1.1");
  const std::string_view line = head.substr(0, head.find(kEndOfLine));
  const auto status = number(line.substr(kVersion.size(), 3));
  if (!status || *status < 100) return no_answer("no HTTP/1.1");
  answer.status = static_cast<int>(*status);
  head.remove_prefix(line.size() + kEndOfLine.size());
  while (!head.empty()) {
    const std::string_view field = head.substr(0, head.find(kEndOfLine));
    head.remove_prefix(field.size() + kEndOfLine.size());
    const std::size_t colon = field.find(':');
    if (colon == std::string_view::npos) return no_answer("a header without a colon");
    std::string_view value = field.substr(colon + 1);
    while (value.starts_with(' ')) value.remove_prefix(1);
    answer.headers.emplace_back(lower(field.substr(0, colon)), value);
  }
  return answer;
}

// Until `ready` octets are there.
Result<void> receive_until(TcpStream& stream, std::size_t ready) {
  while (stream.buffer().size() < ready) {
    const auto more = stream.receive();
    if (!more) return more.error();
    if (!*more) return no_answer("it ends too early");
  }
  return {};
}

}  // namespace

std::string_view HttpAnswer::header(std::string_view lower_name) const {
  const auto found = std::find_if(headers.begin(), headers.end(),
                                  [&](const auto& entry) { return entry.first == lower_name; });
  return found == headers.end() ? std::string_view() : std::string_view(found->second);
}

std::string HttpAnswer::refusal() const {
  std::string problems;
  protocol::JsonFields fields(problems);
  if (protocol::read_json_object(body, "the answer", fields)) {
    constexpr auto kOptional = protocol::JsonFields::Need::optional;
    const std::string_view code = fields.text("error", 128, kOptional);
    const std::string_view message = fields.text("message", kAnswerBodyBytesMax, kOptional);
    if (!code.empty()) return fmt::format("{} {}: {}", status, code, message);
  }
  return fmt::format("{} {}", status, wire::reason_phrase(status));
}

Result<HttpAnswer> read_http_answer(TcpStream& stream) {
  std::string& buffer = stream.buffer();
  std::size_t head_end = 0;
  while ((head_end = buffer.find(kEndOfHead)) == std::string::npos) {
    if (buffer.size() > kAnswerHeadBytesMax) return no_answer("its header block is too large");
    if (auto more = receive_until(stream, buffer.size() + 1); !more) return more.error();
  }
  head_end += kEndOfHead.size();
  if (head_end > kAnswerHeadBytesMax) return no_answer("its header block is too large");
  auto answer = parse_head(
      std::string_view(buffer).substr(0, head_end - kEndOfHead.size() + kEndOfLine.size()));
  if (!answer) return answer.error();
  std::size_t body_bytes = 0;
  if (answer->status != 101 && answer->status != 204) {
    const auto length = number(answer->header("content-length"));
    if (!length || *length > kAnswerBodyBytesMax) return no_answer("it has no length that fits");
    body_bytes = *length;
  }
  if (auto whole = receive_until(stream, head_end + body_bytes); !whole) return whole.error();
  answer->body = buffer.substr(head_end, body_bytes);
  buffer.erase(0, head_end + body_bytes);
  return answer;
}

}  // namespace ringcast
