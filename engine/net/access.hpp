// Who may connect: Host, Origin, tokens and API keys.
#pragma once

#include <memory>
#include <string_view>

#include "net/connection.hpp"
#include "net/services.hpp"
#include "wire/http_request.hpp"

namespace ringcast {

// Dev mode answers only those that address it as this machine (a page elsewhere that resolves its
// own name to 127.0.0.1 does not) and whose Origin, if any, is its own. Over a unix socket any Host
// will do: no page can name one, and whoever opened it was let in by the mode of its file.
[[nodiscard]] Result<void> check_host(const Services& services, const wire::HttpRequest& request,
                                      Connection::From from);

// Upgrades and streams: Origin absent, listed in allowed_origins, or, without such a list, the
// same as Host.
[[nodiscard]] Result<void> check_origin(const Services& services, const wire::HttpRequest& request);

// The token that a request shows: Authorization, else the sub-protocol's, else ?token=.
[[nodiscard]] std::string shown_token(const wire::HttpRequest& request,
                                      std::string_view subprotocol_token);

// Is it one that the application has to be asked about? Those of three base64url parts are JWTs.
[[nodiscard]] bool is_session_token(const Services& services, std::string_view token);

// The identity of a request with this token. Without any: anonymous, if that is allowed (dev mode:
// ?user= names the user). An API key in Authorization, and nowhere else, makes it a server's
// connection.
[[nodiscard]] Result<std::shared_ptr<const Identity>> identify(const Services& services,
                                                               const wire::HttpRequest& request,
                                                               std::string_view token,
                                                               WallTime now);

// What a client may know of an error of identify().
[[nodiscard]] std::string_view client_text(const Error& error);

// The server API: `Authorization: Bearer <api key>`.
[[nodiscard]] Result<void> check_api_key(const Services& services,
                                         const wire::HttpRequest& request);

}  // namespace ringcast
