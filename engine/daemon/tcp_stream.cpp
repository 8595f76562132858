#include "daemon/tcp_stream.hpp"

#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

namespace ringcast {

namespace {

constexpr std::size_t kReadBytes = 65'536;

Error failed(std::string_view peer, std::string_view what) {
  return {Errc::unavailable, fmt::format("{}: {}", peer, what)};
}

std::string why(int error) {
  // EINPROGRESS is what connect() says when SO_SNDTIMEO has passed.
  if (error == EAGAIN || error == EINPROGRESS) return "no answer in time";
  return std::strerror(error);
}

bool set_timeout(int fd, int option, std::chrono::milliseconds timeout) {
  const timeval value{timeout.count() / 1'000, timeout.count() % 1'000 * 1'000};
  return ::setsockopt(fd, SOL_SOCKET, option, &value, sizeof value) == 0;
}

}  // namespace

Result<TcpStream> TcpStream::connect(const ServerUrl& url, std::chrono::milliseconds timeout) {
  const std::string peer = url.authority();
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int error =
          ::getaddrinfo(url.host.c_str(), std::to_string(url.port).c_str(), &hints, &found))
    return failed(peer, ::gai_strerror(error));
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> list(found, &::freeaddrinfo);
  std::string problem;
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
    io::FileDescriptor socket(::socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (socket && set_timeout(socket.get(), SO_SNDTIMEO, timeout) &&
        set_timeout(socket.get(), SO_RCVTIMEO, timeout) &&
        ::connect(socket.get(), at->ai_addr, at->ai_addrlen) == 0) {
      const int on = 1;
      std::ignore = ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      return TcpStream(std::move(socket), peer);
    }
    problem = errno == ECONNREFUSED ? "nothing listens there; is the daemon running?" : why(errno);
  }
  return failed(peer, problem);
}

Result<void> TcpStream::set_receive_timeout(std::chrono::milliseconds timeout) {
  if (!set_timeout(socket_.get(), SO_RCVTIMEO, timeout)) return failed(peer_, why(errno));
  return {};
}

Result<void> TcpStream::send(std::string_view octets) {
  while (!octets.empty()) {
    const ssize_t sent = ::send(socket_.get(), octets.data(), octets.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return failed(peer_, why(errno));
    octets.remove_prefix(static_cast<std::size_t>(sent));
  }
  return {};
}

Result<bool> TcpStream::receive() {
  std::array<char, kReadBytes> octets;
  for (;;) {
    const ssize_t received = ::recv(socket_.get(), octets.data(), octets.size(), 0);
    if (received < 0 && errno == EINTR) continue;
    if (received < 0) return failed(peer_, why(errno));
    buffer_.append(octets.data(), static_cast<std::size_t>(received));
    return received != 0;
  }
}

}  // namespace ringcast
