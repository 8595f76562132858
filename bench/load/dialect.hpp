// What the generator says to each kind of server. A new one is a class here and a line in named().
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace ringcast::bench {

// One step of entering: octets to send, and the text that the answer contains.
struct Step {
  std::string send;
  std::string wait;
};

// The octets of one protocol: to enter, and to publish. Every event's data passes through the
// server as it was sent, so what arrives needs no dialect. Thread: any; without state.
class Dialect {
 public:
  // native, native-deflate, sse, topic, socketio, centrifuge, nats, nchan.
  static Result<std::unique_ptr<Dialect>> named(std::string_view name);
  virtual ~Dialect() = default;

  // The path of the HTTP request that begins the connection.
  [[nodiscard]] virtual std::string path(const std::string& room) const = 0;
  // The dialect of a connection that publishes into every room and is in none; empty: this one.
  [[nodiscard]] virtual std::string_view publisher() const { return {}; }
  // False: the server sends text, no frames, and a publisher needs no upgrade.
  [[nodiscard]] virtual bool is_websocket() const { return true; }
  // The WebSocket extension that subscribers offer, and without which they do not begin.
  [[nodiscard]] virtual std::string_view extension() const { return {}; }
  // What follows the upgrade until the connection gets the room's events; without a room until it
  // may publish.
  [[nodiscard]] virtual std::vector<Step> enter(const std::string& room) const = 0;
  // Appends the frame that publishes `data`, a JSON object.
  virtual void append_publish(std::string& out, const std::string& room,
                              std::string_view data) const = 0;
  // What answers a ping in text of this protocol; empty: the message is none.
  [[nodiscard]] virtual std::string answer(std::string_view message) const;
  // Whether the publisher is told that what it published is not taken.
  [[nodiscard]] virtual bool refuses(std::string_view message) const;
};

}  // namespace ringcast::bench
