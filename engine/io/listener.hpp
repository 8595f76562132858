// Where the engine listens, and the sockets for it.
#pragma once

#include <sys/socket.h>

#include <chrono>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "io/file_descriptor.hpp"

namespace ringcast::io {

// An address to listen on: "127.0.0.1:8800", "[::1]:8080", "localhost:0", ":8800" (every address,
// IPv6 and IPv4), "unix:PATH". A value.
struct ListenAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;

  [[nodiscard]] int family() const { return storage.ss_family; }
  [[nodiscard]] const sockaddr* raw() const;
  [[nodiscard]] std::uint16_t port() const;     // 0 for a unix socket
  [[nodiscard]] std::string to_string() const;  // as parsed, a name or nothing resolved to numbers
};

// Thread: start-up (a host name may be looked up). The error says what of the text is wrong.
Result<ListenAddress> parse_listen_address(std::string_view text);

// True if only this machine can reach it: 127.0.0.0/8, ::1, a unix socket.
[[nodiscard]] bool is_loopback(const ListenAddress& address);

// The first socket on an address. For shard 0; the others get theirs by open_listener().
struct BoundListener {
  ListenAddress address;  // with the port that the kernel chose for port 0
  FileDescriptor socket;
};

inline constexpr int kBacklog = 4'096;
inline constexpr std::chrono::milliseconds kReleaseWaitMax{1'000};

// Thread: start-up. Binds and listens without SO_REUSEPORT, so that of two daemons on one address
// the second is refused, with the address in the error; listening sockets of this process may join
// from then on. A unix socket's file that no process listens on is replaced. An address in use is
// tried again for kReleaseWaitMax, since that of a killed daemon is not free at once.
Result<BoundListener> bind_listener(const ListenAddress& address);

// Thread: any. A further socket on the same address, among which the kernel spreads connections; of
// a unix socket a second descriptor, since those can not share a path.
Result<FileDescriptor> open_listener(const BoundListener& first);

}  // namespace ringcast::io
