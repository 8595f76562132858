// What every connection's socket is set to.
#pragma once

namespace ringcast::io {

// Unsent bytes that a socket holds before it counts as full. Without it the kernel swallows
// megabytes for a client that does not read, out of sight of the send queue's limits.
inline constexpr int kNotSentBytesMax = 16 * 1024;

// A peer that acknowledges nothing for so long is gone (TCP_USER_TIMEOUT).
inline constexpr int kUserTimeoutMs = 30'000;

// TCP_NODELAY and the two above, on a connected socket or on a listener, from which accepted
// sockets inherit them. Does nothing on a socket that is not TCP.
void set_connection_options(int fd);

enum class Blocking { yes, no };
void set_blocking(int fd, Blocking blocking);

}  // namespace ringcast::io
