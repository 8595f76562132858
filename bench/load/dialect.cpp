#include "dialect.hpp"

#include <fmt/format.h>

#include "fanout/client_socket.hpp"

namespace ringcast::bench {

namespace {

std::string framed(std::string_view text) {
  std::string out;
  ClientSocket::append_frame(out, text);
  return out;
}

// The greeting is too short to be compressed, and so are answers.
class Native : public Dialect {
 public:
  std::string path(const std::string&) const override { return "/ws"; }
  std::vector<Step> enter(const std::string& room) const override {
    std::vector<Step> steps{{"", "\"connected\""}};
    if (!room.empty())
      steps.push_back(
          {framed(fmt::format(R"({{"type":"subscribe","room":"{}"}})", room)), "\"subscribed\""});
    return steps;
  }
  void append_publish(std::string& out, const std::string& room,
                      std::string_view data) const override {
    ClientSocket::append_frame(
        out,
        fmt::format(R"({{"type":"publish","room":"{}","event":"bench","data":{}}})", room, data));
  }
};

// Subscribers get compressed events; who publishes does not compress.
class NativeDeflate final : public Native {
 public:
  std::string_view extension() const override { return "permessage-deflate"; }
  std::string_view publisher() const override { return "native"; }
};

// Subscribers alone.
class Sse final : public Native {
 public:
  std::string path(const std::string& room) const override { return "/sse?room=" + room; }
  bool is_websocket() const override { return false; }
  std::string_view publisher() const override { return "native"; }
  std::vector<Step> enter(const std::string&) const override { return {}; }
};

// What a user writes in a few lines over a bare WebSocket library: "sub ROOM" and
// "pub ROOM DATA", where the data goes out to the room as it is.
class Topic final : public Dialect {
 public:
  std::string path(const std::string&) const override { return "/"; }
  std::vector<Step> enter(const std::string& room) const override {
    if (room.empty()) return {};
    return {{framed("sub " + room), "ok"}};
  }
  void append_publish(std::string& out, const std::string& room,
                      std::string_view data) const override {
    ClientSocket::append_frame(out, fmt::format("pub {} {}", room, data));
  }
};

// Socket.IO 5 over Engine.IO 4, with the two events of bench/peers/socketio.
class SocketIo final : public Dialect {
 public:
  std::string path(const std::string&) const override {
    return "/socket.io/?EIO=4&transport=websocket";
  }
  std::vector<Step> enter(const std::string& room) const override {
    std::vector<Step> steps{{"", "\"sid\""}, {framed("40"), "40{"}};
    if (!room.empty()) steps.push_back({framed(fmt::format(R"(42["sub","{}"])", room)), "\"ok\""});
    return steps;
  }
  void append_publish(std::string& out, const std::string& room,
                      std::string_view data) const override {
    ClientSocket::append_frame(out, fmt::format(R"(42["pub","{}",{}])", room, data));
  }
  std::string answer(std::string_view message) const override {
    return message == "2" ? framed("3") : "";
  }
};

class Centrifuge final : public Dialect {
 public:
  std::string path(const std::string&) const override { return "/connection/websocket"; }
  std::vector<Step> enter(const std::string& room) const override {
    std::vector<Step> steps{{framed(R"({"id":1,"connect":{}})"), "\"connect\""}};
    if (!room.empty())
      steps.push_back({framed(fmt::format(R"({{"id":2,"subscribe":{{"channel":"{}"}}}})", room)),
                       "\"subscribe\""});
    return steps;
  }
  void append_publish(std::string& out, const std::string& room,
                      std::string_view data) const override {
    ClientSocket::append_frame(
        out, fmt::format(R"({{"id":3,"publish":{{"channel":"{}","data":{}}}}})", room, data));
  }
  std::string answer(std::string_view message) const override {
    return message == "{}" ? framed("{}") : "";
  }
};

class Nats final : public Dialect {
 public:
  std::string path(const std::string&) const override { return "/"; }
  std::vector<Step> enter(const std::string& room) const override {
    const std::string hello = "CONNECT {\"verbose\":false,\"pedantic\":false}\r\n";
    const std::string subscribe = room.empty() ? "" : fmt::format("SUB {} 1\r\n", room);
    return {{"", "INFO"}, {framed(hello + subscribe + "PING\r\n"), "PONG"}};
  }
  void append_publish(std::string& out, const std::string& room,
                      std::string_view data) const override {
    ClientSocket::append_frame(out, fmt::format("PUB {} {}\r\n{}\r\n", room, data.size(), data));
  }
  std::string answer(std::string_view message) const override {
    return message == "PING\r\n" ? framed("PONG\r\n") : "";
  }
};

// A channel of nginx's nchan: who is in it publishes into it too.
class Nchan final : public Dialect {
 public:
  std::string path(const std::string& room) const override { return "/room?name=" + room; }
  std::string_view publisher() const override { return "nchan-http"; }
  std::vector<Step> enter(const std::string&) const override { return {}; }
  void append_publish(std::string& out, const std::string&, std::string_view data) const override {
    ClientSocket::append_frame(out, data);
  }
};

// Publishers into every room of nchan: a WebSocket is of one channel, so these are requests, one
// behind the other on one connection.
class NchanHttp final : public Dialect {
 public:
  std::string path(const std::string&) const override { return {}; }
  bool is_websocket() const override { return false; }
  std::vector<Step> enter(const std::string&) const override { return {}; }
  void append_publish(std::string& out, const std::string& room,
                      std::string_view data) const override {
    out += fmt::format(
        "POST /publish?name={} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {}\r\n\r\n{}", room,
        data.size(), data);
  }
  bool refuses(std::string_view message) const override {
    return message.find("HTTP/1.1 4") != std::string_view::npos ||
           message.find("HTTP/1.1 5") != std::string_view::npos;
  }
};

}  // namespace

std::string Dialect::answer(std::string_view) const { return {}; }

bool Dialect::refuses(std::string_view message) const {
  return message.find("\"error\"") != std::string_view::npos;
}

Result<std::unique_ptr<Dialect>> Dialect::named(std::string_view name) {
  std::unique_ptr<Dialect> dialect;
  if (name == "native") dialect = std::make_unique<Native>();
  if (name == "native-deflate") dialect = std::make_unique<NativeDeflate>();
  if (name == "sse") dialect = std::make_unique<Sse>();
  if (name == "topic") dialect = std::make_unique<Topic>();
  if (name == "socketio") dialect = std::make_unique<SocketIo>();
  if (name == "centrifuge") dialect = std::make_unique<Centrifuge>();
  if (name == "nats") dialect = std::make_unique<Nats>();
  if (name == "nchan") dialect = std::make_unique<Nchan>();
  if (name == "nchan-http") dialect = std::make_unique<NchanHttp>();
  if (!dialect) return {Errc::not_found, fmt::format("no protocol '{}'", name)};
  return dialect;
}

}  // namespace ringcast::bench
