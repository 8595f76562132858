// A blocking connection to a daemon, for the client commands.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "daemon/server_url.hpp"
#include "io/file_descriptor.hpp"

namespace ringcast {

// Thread: its owner's; every call blocks, at most for the timeout. Lives for one connection. What
// was received waits in buffer(), whose size its reader limits. Errors are Errc::unavailable with a
// sentence.
class TcpStream final {
 public:
  [[nodiscard]] static Result<TcpStream> connect(const ServerUrl& url,
                                                 std::chrono::milliseconds timeout);

  Result<void> set_receive_timeout(std::chrono::milliseconds timeout);
  Result<void> send(std::string_view octets);
  // Appends what has come to buffer(), at least one octet; false: the peer has closed.
  Result<bool> receive();

  [[nodiscard]] std::string& buffer() { return buffer_; }

 private:
  TcpStream(io::FileDescriptor socket, std::string peer)
      : socket_(std::move(socket)), peer_(std::move(peer)) {}

  io::FileDescriptor socket_;
  std::string peer_;
  std::string buffer_;
};

}  // namespace ringcast
