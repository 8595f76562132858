#include "io/socket_address.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <memory>

namespace ringcast::io {

namespace {

template <class Address>
Address as(const SocketAddress& address) {
  Address out{};
  static_assert(sizeof out <= sizeof address.storage);
  std::memcpy(&out, &address.storage, sizeof out);
  return out;
}

}  // namespace

const sockaddr* SocketAddress::raw() const { return reinterpret_cast<const sockaddr*>(&storage); }

std::uint16_t SocketAddress::port() const {
  if (family() == AF_INET) return ntohs(as<sockaddr_in>(*this).sin_port);
  if (family() == AF_INET6) return ntohs(as<sockaddr_in6>(*this).sin6_port);
  return 0;
}

std::string SocketAddress::path() const {
  return family() == AF_UNIX ? as<sockaddr_un>(*this).sun_path : std::string();
}

std::string SocketAddress::to_string() const {
  char text[INET6_ADDRSTRLEN] = {};
  if (family() == AF_INET) {
    const in_addr host = as<sockaddr_in>(*this).sin_addr;
    ::inet_ntop(AF_INET, &host, text, sizeof text);
    return fmt::format("{}:{}", text, port());
  }
  if (family() == AF_INET6) {
    const in6_addr host = as<sockaddr_in6>(*this).sin6_addr;
    ::inet_ntop(AF_INET6, &host, text, sizeof text);
    return fmt::format("[{}]:{}", text, port());
  }
  return fmt::format("unix:{}", path());
}

Result<SocketAddress> tcp_address(std::string_view host, std::uint16_t port) {
  const std::string name(host);
  addrinfo hints{};
  // IPv4 first: "localhost" means 127.0.0.1 to whoever reads the log.
  hints.ai_family = host.find(':') == host.npos ? AF_INET : AF_INET6;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  int error = ::getaddrinfo(name.c_str(), nullptr, &hints, &found);
  if (error != 0 && hints.ai_family == AF_INET) {
    hints.ai_family = AF_INET6;
    error = ::getaddrinfo(name.c_str(), nullptr, &hints, &found);
  }
  if (error != 0)
    return {Errc::validation, fmt::format("host '{}': {}", name, ::gai_strerror(error))};
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> list(found, &::freeaddrinfo);
  SocketAddress out;
  std::memcpy(&out.storage, list->ai_addr, list->ai_addrlen);
  out.size = list->ai_addrlen;
  // sin_port and sin6_port have one place.
  static_assert(offsetof(sockaddr_in, sin_port) == offsetof(sockaddr_in6, sin6_port));
  const std::uint16_t network_port = htons(port);
  std::memcpy(reinterpret_cast<char*>(&out.storage) + offsetof(sockaddr_in, sin_port),
              &network_port, sizeof network_port);
  return out;
}

Result<SocketAddress> unix_address(std::string_view path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty()) return {Errc::validation, "the path is empty"};
  if (path.find('\0') != path.npos) return {Errc::validation, "the path has a zero octet"};
  if (path.size() >= sizeof address.sun_path)
    return {Errc::validation,
            fmt::format("the path is longer than {} octets", sizeof address.sun_path - 1)};
  path.copy(address.sun_path, path.size());
  SocketAddress out;
  std::memcpy(&out.storage, &address, sizeof address);
  out.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
  return out;
}

Result<SocketAddress> peer_address(int fd) {
  SocketAddress out;
  out.size = sizeof out.storage;
  if (::getpeername(fd, reinterpret_cast<sockaddr*>(&out.storage), &out.size) != 0)
    return {Errc::not_found, fmt::format("getpeername: {}", std::strerror(errno))};
  return out;
}

}  // namespace ringcast::io
