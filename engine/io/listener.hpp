// Where the engine listens, and the sockets for it.
#pragma once

#include <sys/types.h>

#include <chrono>

#include "base/result.hpp"
#include "io/file_descriptor.hpp"
#include "io/socket_address.hpp"
#include "io/socket_file.hpp"

namespace ringcast::io {

// The first socket on an address. For shard 0; the others get theirs by open_listener().
struct BoundListener {
  SocketAddress address;  // with the port that the kernel chose for port 0
  FileDescriptor socket;
  SocketFile file{};  // of a unix socket
};

inline constexpr int kBacklog = 4'096;
inline constexpr mode_t kUnixMode = 0660;
inline constexpr std::chrono::milliseconds kReleaseWaitMax{1'000};

// Thread: start-up. Binds and listens without SO_REUSEPORT, so that of two daemons on one address
// the second is refused, with the address in the error; listening sockets of this process may join
// from then on. A unix socket's file that no process listens on is replaced; the new one has
// `unix_mode` before anybody can connect. An address in use is tried again for kReleaseWaitMax,
// since that of a killed daemon is not free at once.
Result<BoundListener> bind_listener(const SocketAddress& address, mode_t unix_mode = kUnixMode);

// Thread: any. A further socket on the same address, among which the kernel spreads connections; of
// a unix socket a second descriptor, since those can not share a path: whichever shard the kernel
// wakes takes the connection.
Result<FileDescriptor> open_listener(const BoundListener& first);

}  // namespace ringcast::io
