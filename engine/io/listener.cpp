#include "io/listener.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/stat.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

namespace ringcast::io {

namespace {

void set_option(int fd, int level, int option, int value) {
  (void)::setsockopt(fd, level, option, &value, sizeof value);
}

Error refused(const SocketAddress& address, std::string_view call, int error) {
  const std::string where = address.to_string();
  if (error == EADDRINUSE)
    return {Errc::conflict, fmt::format("{} is in use by another process", where)};
  if (error == EACCES)
    return {Errc::forbidden, fmt::format("{}: this user may not listen there", where)};
  return {Errc::unavailable, fmt::format("{}: {}: {}", where, call, std::strerror(error))};
}

constexpr std::chrono::milliseconds kReleaseLook{5};

enum class SharePort { no, yes };

Result<FileDescriptor> bind_and_listen(const SocketAddress& address, SharePort share,
                                       mode_t unix_mode) {
  FileDescriptor fd(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return refused(address, "socket", errno);
  if (address.family() != AF_UNIX) {
    // Connections of the last run in TIME_WAIT do not keep the port.
    set_option(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
    if (address.family() == AF_INET6) set_option(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 0);
    if (share == SharePort::yes) set_option(fd.get(), SOL_SOCKET, SO_REUSEPORT, 1);
  }
  if (::bind(fd.get(), address.raw(), address.size) != 0) return refused(address, "bind", errno);
  // Before listen(), so that nobody connects under the mode that the umask left.
  if (address.family() == AF_UNIX && ::chmod(address.path().c_str(), unix_mode) != 0)
    return refused(address, "chmod", errno);
  // The kernel checks for a conflict again here, so of two that both got past bind() one is
  // refused.
  if (::listen(fd.get(), kBacklog) != 0) return refused(address, "listen", errno);
  return fd;
}

// Removes the file of a unix socket that nobody listens on any more; anything else stays.
Result<void> clear_stale(const SocketAddress& address) {
  const std::string path = address.path();
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) return {};
  if (!S_ISSOCK(status.st_mode))
    return {Errc::conflict, fmt::format("{} is a file that is no socket", path)};
  const FileDescriptor probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!probe) return refused(address, "socket", errno);
  // EAGAIN: somebody listens and the backlog is full.
  if (::connect(probe.get(), address.raw(), address.size) == 0 || errno != ECONNREFUSED)
    return refused(address, "connect", EADDRINUSE);
  if (::unlink(path.c_str()) != 0) return refused(address, "unlink", errno);
  return {};
}

Result<BoundListener> bind_first(const SocketAddress& address, mode_t unix_mode) {
  if (address.family() == AF_UNIX)
    if (auto cleared = clear_stale(address); !cleared) return cleared.error();
  auto socket = bind_and_listen(address, SharePort::no, unix_mode);
  if (!socket) return socket.error();
  BoundListener out{address, std::move(socket).value()};
  if (address.family() == AF_UNIX) {
    out.file = SocketFile(address.path());
    return out;
  }
  // The address is ours alone until here; from now on sockets that ask for SO_REUSEPORT too, which
  // a second daemon's first one does not, may join.
  set_option(out.socket.get(), SOL_SOCKET, SO_REUSEPORT, 1);
  out.address.size = sizeof out.address.storage;
  if (::getsockname(out.socket.get(), reinterpret_cast<sockaddr*>(&out.address.storage),
                    &out.address.size) != 0)
    return refused(address, "getsockname", errno);
  return out;
}

}  // namespace

Result<BoundListener> bind_listener(const SocketAddress& address, mode_t unix_mode) {
  // The kernel takes a ring apart behind the end of its process: a daemon that was killed is gone,
  // and still its sockets are there for some 10 ms, longer on a busy machine.
  const auto give_up = std::chrono::steady_clock::now() + kReleaseWaitMax;
  for (;;) {
    auto bound = bind_first(address, unix_mode);
    if (bound || bound.error().code != Errc::conflict ||
        std::chrono::steady_clock::now() >= give_up)
      return bound;
    std::this_thread::sleep_for(kReleaseLook);
  }
}

Result<FileDescriptor> open_listener(const BoundListener& first) {
  if (first.address.family() != AF_UNIX)
    return bind_and_listen(first.address, SharePort::yes, kUnixMode);
  FileDescriptor copy(::fcntl(first.socket.get(), F_DUPFD_CLOEXEC, 0));
  if (!copy) return refused(first.address, "dup", errno);
  return copy;
}

}  // namespace ringcast::io
