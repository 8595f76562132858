#include "daemon/publish_command.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <iostream>
#include <string_view>

#include "auth/api_keys.hpp"
#include "daemon/exit_code.hpp"
#include "daemon/http_answer.hpp"
#include "daemon/printable.hpp"
#include "daemon/server_url.hpp"
#include "daemon/tcp_stream.hpp"
#include "message/json.hpp"
#include "message/names.hpp"

namespace ringcast {

namespace {

constexpr std::chrono::seconds kTimeout{30};

Result<std::string> read_standard_input() {
  std::string text(kPublishDataBytesMax + 1, '\0');
  std::cin.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(std::cin.gcount()));
  if (text.size() <= kPublishDataBytesMax) return text;
  return {Errc::payload_too_large,
          fmt::format("standard input: more than {} octets", kPublishDataBytesMax)};
}

Result<std::string> body_of(const PublishOptions& options) {
  Result<std::string> text = options.data;
  if (options.data == "-") text = read_standard_input();
  if (!text) return text.error();
  const auto data = check_payload(*text, JsonShape::any, "DATA");
  if (!data)
    return {Errc::validation,
            fmt::format("{} (a text needs quotes of its own: '\"hello\"')", data.error().detail)};
  std::string json = "{";
  for (const auto& [name, value] :
       {std::pair<std::string_view, std::string_view>{"room", options.room},
        {"type", options.type},
        {"excludeUser", options.exclude_user},
        {"id", options.id},
        {"idempotencyKey", options.idempotency_key}}) {
    if (!is_valid_utf8(value)) return {Errc::validation, fmt::format("{}: is not UTF-8", name)};
    if (!value.empty() || name == "room" || name == "type") append_json_field(json, name, value);
  }
  return json + ",\"data\":" + **data + '}';
}

Result<HttpAnswer> ask(const PublishOptions& options) {
  const auto url = parse_server_url(options.url);
  if (!url) return url.error();
  const std::string credentials = "Bearer " + options.key;
  if (bearer_credentials(credentials) != options.key)
    return {Errc::validation, "--key: has characters that no key has"};
  const auto body = body_of(options);
  if (!body) return body.error();
  auto stream = TcpStream::connect(*url, kTimeout);
  if (!stream) return stream.error();
  const std::string request = fmt::format(
      "POST /api/publish HTTP/1.1\r\nHost: {}\r\nAuthorization: {}\r\n"
      "Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{}",
      url->authority(), credentials, body->size(), *body);
  // A daemon that refuses answers before it has read everything: the answer says more than a send
  // that failed.
  const auto sent = stream->send(request);
  auto answer = read_http_answer(*stream);
  return answer || sent ? answer : Result<HttpAnswer>(sent.error());
}

}  // namespace

int publish(const PublishOptions& options) {
  const auto answer = ask(options);
  if (answer && answer->status == 200) {
    std::puts(printable(answer->body).c_str());
    return kExitOk;
  }
  std::string problem = answer ? answer->refusal() : answer.error().detail;
  if (answer && answer->status == 401)
    problem += " (--key or RINGCAST_API_KEY names one of auth.api_keys)";
  std::fputs((printable(problem) + '\n').c_str(), stderr);
  return kExitFailed;
}

}  // namespace ringcast
