// One socket with its protocol state machine.
#pragma once

#include <cstdint>
#include <forward_list>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "hub/session.hpp"
#include "io/ring.hpp"
#include "io/timers.hpp"
#include "protocol/native.hpp"
#include "wire/http_request_parser.hpp"
#include "wire/websocket_parser.hpp"

namespace ringcast {

// Thread: shard. Lives in Connections from accept until its socket is closed; that is the only
// place that makes or ends one. Its input is bounded by the limits of its parsers: a request that
// waits for an answer is not read past, what had arrived behind it (one receive buffer) waits in
// `unread`.
struct Connection {
  enum class Mode : std::uint8_t {
    http,    // requests, one after the other
    native,  // WebSocket with the native protocol
    echo,    // WebSocket for conformance tests
    sse,     // an event stream; nothing is read
    ending,  // the last octets go out, then it closes; nothing is read
  };
  // What a client says about a room whose subscribe is not answered yet.
  struct Deferred {
    std::string id;  // JSON text of the client's `id`; empty: none
    std::variant<protocol::SubscribeRequest, protocol::UnsubscribeRequest> request;
  };
  // A request that was asked of the hub, under the tag of its answer.
  struct Asked {
    std::uint64_t tag = 0;
    std::string id;    // as above
    std::string room;  // of the answer, where it needs one
    bool subscribes = false;
    std::vector<Deferred> then;                    // done when the answer is there
    std::unique_ptr<wire::HttpRequest> request{};  // to come in, while the application is asked
  };

  // Publishes of one HTTP request, answered together. Its tags begin at `first`.
  struct Publications {
    std::uint64_t first = 0;
    std::size_t open = 0;
    std::vector<std::string> rooms;    // of a broadcast: each answer names its own
    std::vector<std::string> answers;  // JSON; empty until it is there
  };

  // From whom it came, as far as rules differ.
  enum class From : std::uint8_t { network, unix_socket };

  Connection(ConnectionId id, Peer& http, const wire::HttpLimits& http_limits,
             const wire::WebsocketLimits& websocket_limits)
      : session(id, Encoding::native, http),
        parser(http_limits),
        websocket(websocket_limits, wire::WebsocketParser::Compression::none) {}

  [[nodiscard]] io::SocketId socket() const { return session.id.slot; }

  // An idle one is counted in octets, tens of thousands of times: the order leaves no holes.
  Session session;
  wire::HttpRequestParser parser;
  wire::WebsocketParser websocket;  // since it was upgraded
  std::forward_list<Asked> asked;
  std::unique_ptr<std::string> unread;
  std::unique_ptr<Publications> publications;
  io::TimerId timer;        // what the mode waits for
  io::TimerId stall_timer;  // set while the socket is full
  Instant ping_due{};
  Instant pong_due = Instant::max();  // max: none is awaited
  std::uint64_t next_tag = 1;
  std::uint64_t address_key = 0;  // holds one of its connections_per_address_max, if `from` has any
  std::uint64_t pinned_known = 0;  // what Connections has counted of queue.pinned_bytes()
  std::uint32_t errors = 0;
  Mode mode = Mode::http;
  From from = From::network;
  bool upgraded = false;
  bool head = false;  // the request that is being answered is a HEAD
  bool keep_alive = true;
  bool answering = false;     // an HTTP request waits for the hub
  bool reading = true;        // the time-out of a request's head runs; from accept for the first
  bool reading_body = false;  // that of its body runs
  bool peer_ended = false;    // its FIN came while answers were due
  bool close_sent = false;    // WebSocket: our close frame is in the queue
  bool shut = false;          // FIN is sent, or nothing can be sent any more
};

}  // namespace ringcast
