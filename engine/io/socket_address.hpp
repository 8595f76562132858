// The address of a socket, as the kernel has it.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace ringcast::io {

// IPv4 or IPv6 with a port, or the path of a unix socket. A value.
struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;

  [[nodiscard]] int family() const { return storage.ss_family; }
  [[nodiscard]] const sockaddr* raw() const;
  [[nodiscard]] std::uint16_t port() const;     // 0 for a unix socket
  [[nodiscard]] std::string path() const;       // of a unix socket
  [[nodiscard]] std::string to_string() const;  // "127.0.0.1:80", "[::1]:80", "unix:PATH"
};

// A name is looked up, so only at start-up; a host with a colon is an IPv6 address. "::" is every
// address, IPv6 and IPv4. The error names the host.
[[nodiscard]] Result<SocketAddress> tcp_address(std::string_view host, std::uint16_t port);

// Thread: any. The error says what the kernel would not take.
[[nodiscard]] Result<SocketAddress> unix_address(std::string_view path);

// Whom a connected socket talks to. Thread: any. The error: it is not connected any more.
[[nodiscard]] Result<SocketAddress> peer_address(int fd);

}  // namespace ringcast::io
