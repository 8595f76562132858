// One suite over both backends: a ring, plain blocking sockets as its clients, and what was seen.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "io/listener.hpp"
#include "io/ring.hpp"

namespace ringcast::io {

inline std::string name_of(const ::testing::TestParamInfo<Backend>& test) {
  return std::string(backend_name(test.param));
}

inline Instant soon(Millis after) { return SystemClock{}.now() + after; }

// A sleep that should be one may be interrupted, for example by the kernel's late work on a ring
// that the test before has destroyed in this thread; one that spins comes back thousands of times.
inline constexpr std::uint64_t kInterruptionsMax = 5;

struct Ends {
  FileDescriptor near;  // for the ring
  FileDescriptor far;
};

inline Ends socket_pair() {
  std::array<int, 2> fds{};
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.data()), 0);
  return {FileDescriptor(fds[0]), FileDescriptor(fds[1])};
}

inline FileDescriptor connect_to(const SocketAddress& address) {
  FileDescriptor fd(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (::connect(fd.get(), address.raw(), address.size) != 0) fd.reset();
  return fd;
}

inline void write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    ASSERT_GT(sent, 0) << std::strerror(errno);
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

// Blocks until `size` octets or the end.
inline std::string read_exactly(int fd, std::size_t size) {
  std::string out(size, '\0');
  std::size_t have = 0;
  while (have < size) {
    const auto got = ::recv(fd, out.data() + have, size - have, 0);
    if (got <= 0) break;
    have += static_cast<std::size_t>(got);
  }
  out.resize(have);
  return out;
}

// What is there now, without waiting.
inline std::string read_available(int fd) {
  std::string out;
  std::array<char, 65'536> part{};
  for (;;) {
    const auto got = ::recv(fd, part.data(), part.size(), MSG_DONTWAIT);
    if (got <= 0) return out;
    out.append(part.data(), static_cast<std::size_t>(got));
  }
}

// A body in which every misplaced octet shows.
inline std::string pattern(std::size_t size, unsigned seed = 1) {
  std::string out(size, '\0');
  unsigned state = seed * 2'654'435'761U + 1;
  for (char& c : out) {
    state = state * 1'664'525U + 1'013'904'223U;
    c = static_cast<char>(state >> 24);
  }
  return out;
}

inline std::span<const char> view(std::string_view text) { return {text.data(), text.size()}; }

// For SO_LINGER 0: the close sends RST.
inline void reset_connection(FileDescriptor fd) {
  const linger now{1, 0};
  ASSERT_EQ(::setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now), 0);
}

inline int open_descriptors() {
  int count = 0;
  for (int fd = 0; fd < 4'096; ++fd)
    if (::fcntl(fd, F_GETFD) >= 0) ++count;
  return count;
}

class RingTest : public ::testing::TestWithParam<Backend> {
 protected:
  struct Seen {
    std::vector<SocketId> accepted;
    std::vector<std::uint32_t> listeners;
    std::map<SocketId, std::string> bytes;
    std::map<SocketId, int> closed;
    std::map<SocketId, int> writable;
    std::map<SocketId, int> error;
    int woken = 0;
    int events = 0;
  };

  void SetUp() override { ASSERT_NO_FATAL_FAILURE(make({})); }

  // Replaces the ring by one with these options.
  void make(RingOptions options) {
    ring.reset();
    options.backend = GetParam();
    auto made = Ring::create(options);
    if (!made && made.error().detail.starts_with("io_uring_setup"))
      GTEST_SKIP() << "the kernel refuses io_uring: " << made.error().detail;
    ASSERT_TRUE(made.ok()) << made.error().detail;
    ring = std::move(made).value();
  }

  void note(const IoEvent& event) {
    ++seen.events;
    switch (event.kind) {
      case EventKind::accepted:
        seen.accepted.push_back(event.socket);
        seen.listeners.push_back(event.listener);
        return;
      case EventKind::received:
        seen.bytes[event.socket].append(event.bytes.data(), event.bytes.size());
        return;
      case EventKind::closed_by_peer:
        ++seen.closed[event.socket];
        return;
      case EventKind::writable:
        ++seen.writable[event.socket];
        return;
      case EventKind::failed:
        seen.error[event.socket] = event.error;
        return;
      case EventKind::woken:
        ++seen.woken;
        return;
    }
  }

  // One wait() that only polls.
  void poll() {
    for (const IoEvent& event : ring->wait(Instant::min())) note(event);
  }

  // Waits until `done`; a guard far beyond what any machine needs ends a test that would hang.
  void until(const std::function<bool()>& done) {
    const Instant guard = soon(Millis{20'000});
    while (!done()) {
      ASSERT_LT(SystemClock{}.now(), guard) << "it never happened, on " << ring->describe();
      for (const IoEvent& event : ring->wait(soon(Millis{1'000}))) note(event);
    }
  }

  // Everything that was asked of the kernel before this has been done when it returns: the bytes of
  // a socket adopted last have come through.
  void settle() {
    Ends ends = socket_pair();
    const auto id = ring->adopt(std::move(ends.near));
    ASSERT_TRUE(id.ok());
    write_all(ends.far.get(), "x");
    until([&] { return seen.bytes[*id] == "x"; });
    ring->close(*id);
    poll();
    poll();
  }

  SocketId adopt(FileDescriptor fd) {
    auto id = ring->adopt(std::move(fd));
    EXPECT_TRUE(id.ok());
    return id.ok() ? *id : SocketId{};
  }

  SocketAddress listen_on_loopback(std::uint32_t tag = 7) {
    return listen_on(tcp_address("127.0.0.1", 0).value(), tag);
  }
  SocketAddress listen_on(const SocketAddress& address, std::uint32_t tag = 7) {
    auto bound = bind_listener(address);
    EXPECT_TRUE(bound.ok()) << bound.error().detail;
    EXPECT_TRUE(ring->listen(std::move(bound->socket), tag).ok());
    files.push_back(std::move(bound->file));
    return bound->address;
  }

  // A client of the ring: its own end, and what the ring calls it.
  struct Client {
    FileDescriptor fd;
    SocketId id;
  };
  Client client(const SocketAddress& address) {
    const std::size_t before = seen.accepted.size();
    Client out{connect_to(address), {}};
    EXPECT_TRUE(bool{out.fd});
    until([&] { return seen.accepted.size() > before; });
    if (seen.accepted.size() > before) out.id = seen.accepted.back();
    return out;
  }

  std::unique_ptr<Ring> ring;
  std::vector<SocketFile> files;  // of unix sockets, for as long as the test
  Seen seen;
};

}  // namespace ringcast::io
