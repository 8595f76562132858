#include "net/access.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>

#include "message/names.hpp"

namespace ringcast {

namespace {

constexpr std::string_view kMisplacedKey =
    "token refused: an API key is taken from `Authorization: Bearer` alone, not from ?token= or a "
    "sub-protocol";

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Without its port; "[::1]" keeps its brackets. Empty if what follows the name is no port.
std::string_view host_name(std::string_view host) {
  const std::size_t name_bytes = host.starts_with('[') ? host.find(']') + 1 : host.find(':');
  const std::string_view name = host.substr(0, name_bytes);
  const std::string_view port = host.substr(name.size());
  const bool has_port =
      port.starts_with(':') && std::all_of(port.begin() + 1, port.end(), is_digit);
  return port.empty() || has_port ? name : std::string_view();
}

bool is_this_machine(std::string_view host) {
  const std::string_view name = host_name(host);
  return name == "127.0.0.1" || name == "[::1]" || wire::equals_ignoring_case(name, "localhost");
}

bool is_same_origin(std::string_view origin, std::string_view host) {
  for (const std::string_view scheme : {"http://", "https://"})
    if (origin.starts_with(scheme) &&
        wire::equals_ignoring_case(origin.substr(scheme.size()), host))
      return true;
  return false;
}

}  // namespace

Result<void> check_host(const Services& services, const wire::HttpRequest& request,
                        Connection::From from) {
  if (!services.config.dev) return {};
  const std::string_view host = request.header("host");
  if (from == Connection::From::network && !is_this_machine(host))
    return {Errc::forbidden,
            "Host: dev mode answers only 127.0.0.1, localhost and [::1]; use `ringcastd serve`"};
  const std::string_view origin = request.header("origin");
  if (request.header_count("origin") != 0 && !is_same_origin(origin, host))
    return {Errc::forbidden, "Origin: dev mode answers only pages that it served itself"};
  return {};
}

Result<void> check_origin(const Services& services, const wire::HttpRequest& request) {
  if (request.header_count("origin") == 0) return {};  // no browser
  const std::string_view origin = request.header("origin");
  const auto& allowed = services.config.listen.allowed_origins;
  if (std::find(allowed.begin(), allowed.end(), origin) != allowed.end()) return {};
  if (allowed.empty() && is_same_origin(origin, request.header("host"))) return {};
  return {Errc::forbidden, "Origin: not in listen.allowed_origins"};
}

std::string shown_token(const wire::HttpRequest& request, std::string_view subprotocol_token) {
  if (const auto bearer = bearer_credentials(request.header("authorization")))
    return std::string(*bearer);
  if (!subprotocol_token.empty()) return std::string(subprotocol_token);
  return request.query_parameter("token").value_or("");
}

bool is_session_token(const Services& services, std::string_view token) {
  if (token.empty() || !services.handlers.find_hook(HookKind::session_token)) return false;
  if (services.api_keys.contains(token)) return false;
  const bool has_other = std::any_of(token.begin(), token.end(), [](char c) {
    return c != '.' && c != '-' && c != '_' && !is_digit(c) && !(c >= 'a' && c <= 'z') &&
           !(c >= 'A' && c <= 'Z');
  });
  return has_other || std::count(token.begin(), token.end(), '.') != 2;
}

Result<std::shared_ptr<const Identity>> identify(const Services& services,
                                                 const wire::HttpRequest& request,
                                                 std::string_view token, WallTime now) {
  const auto bearer = bearer_credentials(request.header("authorization"));
  if (bearer && services.api_keys.contains(*bearer)) return services.server;
  if (!token.empty()) {
    // URLs and sub-protocols end up in logs and in pages.
    if (!bearer && services.api_keys.contains(token))
      return {Errc::unauthorized, std::string(kMisplacedKey)};
    auto verified = services.tokens.verify(token, now);
    if (!verified) return verified.error();
    return std::make_shared<const Identity>(std::move(*verified));
  }
  if (!services.anonymous)
    return {Errc::unauthorized,
            "token refused: there is none (Authorization, sub-protocol ringcast.token.<jwt>, or "
            "?token=)"};
  if (services.config.dev) {
    if (auto user = request.query_parameter("user")) {
      if (auto checked = check_part(*user, "user"); !checked) return checked.error();
      Identity named = *services.anonymous;
      named.user = std::move(*user);
      return std::make_shared<const Identity>(std::move(named));
    }
  }
  return services.anonymous;
}

std::string_view client_text(const Error& error) {
  if (error.detail == kMisplacedKey) return kMisplacedKey;
  return error.code == Errc::unauthorized ? terse_token_text(error)
                                          : std::string_view(error.detail);
}

Result<void> check_api_key(const Services& services, const wire::HttpRequest& request) {
  const auto key = bearer_credentials(request.header("authorization"));
  if (!key) return {Errc::unauthorized, "Authorization: expected 'Bearer <api key>'"};
  if (!services.api_keys.contains(*key)) return {Errc::unauthorized, "Authorization: unknown key"};
  return {};
}

}  // namespace ringcast
