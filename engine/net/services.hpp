// What all shards share: made at start-up, never changed.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "auth/api_keys.hpp"
#include "auth/jwt.hpp"
#include "config/config.hpp"
#include "hub/handlers.hpp"
#include "queue/address_places.hpp"
#include "queue/places.hpp"
#include "wire/http_request_parser.hpp"
#include "wire/websocket_parser.hpp"

namespace ringcast {

// What keeps the daemon from being ready; empty: it is.
struct Readiness {
  std::vector<std::string> reasons;
  bool degraded = false;  // the store is away or refused, or a handler crashes; the rest is served
};

// Thread: made at start-up by wiring, read by every shard. Lives longer than the shards. The two
// functions may be called from any thread and read counters only.
struct Services {
  Config config;
  wire::HttpLimits http_limits;
  wire::WebsocketLimits websocket_limits;
  JwtVerifier tokens;
  ApiKeys api_keys;
  std::shared_ptr<const Identity> anonymous;  // null: without a token they are refused
  std::shared_ptr<const Identity> server;     // of a connection that showed an API key
  std::shared_ptr<Places> connections;        // connections_max of the daemon, for all shards
  std::shared_ptr<AddressPlaces> connections_by_address;  // connections_per_address_max
  std::function<std::string()> metrics_text;
  std::function<Readiness()> readiness;
  Handlers handlers{};  // none: clients may call nothing
};

}  // namespace ringcast
