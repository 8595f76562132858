#include "io/socket_options.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace ringcast::io {

namespace {

void set_tcp(int fd, int option, int value) {
  // Best effort: a kernel that lacks an option serves without it.
  (void)::setsockopt(fd, IPPROTO_TCP, option, &value, sizeof value);
}

}  // namespace

void set_connection_options(int fd) {
  int domain = AF_UNSPEC;
  socklen_t size = sizeof domain;
  if (::getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) != 0) return;
  if (domain != AF_INET && domain != AF_INET6) return;
  set_tcp(fd, TCP_NODELAY, 1);
  set_tcp(fd, TCP_NOTSENT_LOWAT, kNotSentBytesMax);
  set_tcp(fd, TCP_USER_TIMEOUT, kUserTimeoutMs);
}

void set_blocking(int fd, Blocking blocking) {
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0) return;
  const int wanted = blocking == Blocking::yes ? flags & ~O_NONBLOCK : flags | O_NONBLOCK;
  if (wanted != flags) (void)::fcntl(fd, F_SETFL, wanted);
}

}  // namespace ringcast::io
