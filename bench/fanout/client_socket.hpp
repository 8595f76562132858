// Clients as cheap as they can be: raw sockets, the native protocol, no parsing but what a check
// needs.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace ringcast::bench {

// A WebSocket connection. Thread: its owner's. Blocking until non_blocking(), for 30 s at most.
class ClientSocket {
 public:
  // Speaks the native protocol: upgraded and greeted.
  static Result<ClientSocket> connect(std::uint16_t port);
  // Only connected; the owner sends the request and waits for the head of the answer.
  static Result<ClientSocket> open(std::uint16_t port);
  static std::string upgrade_request(std::uint16_t port, std::string_view path,
                                     std::string_view extension = {});
  // Reads the head of an HTTP answer; error unless it begins with `status` and has `text`.
  Result<void> wait_for_head(std::string_view status, std::string_view text = {});
  // From here on a message is text up to an empty line, by LF or by CR LF.
  void plain_text() { plain_text_ = true; }
  ClientSocket(ClientSocket&& other) noexcept;
  ClientSocket& operator=(ClientSocket&&) = delete;
  ~ClientSocket();

  // Appends a masked text frame to `out`; the mask is zero, which is as legal as any other.
  static void append_frame(std::string& out, std::string_view json);
  Result<void> send(std::string_view octets);
  // Blocks until a message that contains `text`; earlier ones are dropped.
  Result<std::string> wait_for(std::string_view text);
  void non_blocking();

  // Reads what is there and shows each message. False: the connection is gone.
  template <class Show>
  [[nodiscard]] bool read(std::vector<char>& buffer, Show&& show) {
    for (;;) {
      const long got = receive(buffer);
      if (got == 0) return true;
      if (got < 0) return false;
      received_ += static_cast<std::uint64_t>(got);
      std::string_view rest(buffer.data(), static_cast<std::size_t>(got));
      if (!partial_.empty()) rest = partial_.append(rest);
      std::string_view message;
      while (take_message(rest, message)) show(message);
      std::string left(rest);
      partial_ = std::move(left);
      if (static_cast<std::size_t>(got) < buffer.size()) return true;
    }
  }

  [[nodiscard]] int fd() const { return fd_; }
  // Whether the message that read() is showing is compressed.
  [[nodiscard]] bool compressed() const { return compressed_; }
  // Octets that read() got.
  [[nodiscard]] std::uint64_t received() const { return received_; }

 private:
  explicit ClientSocket(int fd) : fd_(fd) {}
  [[nodiscard]] long receive(std::vector<char>& buffer);
  bool take_message(std::string_view& rest, std::string_view& message);
  int fd_;
  bool plain_text_ = false;
  bool compressed_ = false;
  std::uint64_t received_ = 0;
  std::string partial_;
};

// The body of a GET, over a connection of its own.
Result<std::string> http_get(std::uint16_t port, std::string_view path);

// A counter of a daemon's /metrics, summed over its labels; 0 if it is not there.
double metric_of(std::uint16_t port, std::string_view name);

// The unsigned number behind `name` in a message; `missing` if there is none.
[[nodiscard]] std::uint64_t number_after(std::string_view message, std::string_view name,
                                         std::uint64_t missing);

}  // namespace ringcast::bench
