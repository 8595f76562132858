// Who a connection is, and what it may do.
#pragma once

#include <optional>
#include <string>

#include "auth/grants.hpp"
#include "base/clock.hpp"

namespace ringcast {

// Thread: any (immutable once made). Lives with a session.
struct Identity {
  std::string user;  // a legal part of a name (check_part); empty: anonymous
  Grants grants;
  // When it ends unless it is renewed: `exp` plus the leeway, so that a token which verify() takes
  // is never one that ends the session at once. Nothing: it does not end.
  std::optional<WallTime> expires_at;
  bool server = false;  // of an API key: no client, but the application itself
};

}  // namespace ringcast
