#include "io/listener.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <memory>
#include <thread>

namespace ringcast::io {

namespace {

constexpr std::string_view kUnixPrefix = "unix:";

template <class Address>
Address as(const ListenAddress& address) {
  Address out{};
  static_assert(sizeof out <= sizeof address.storage);
  std::memcpy(&out, &address.storage, sizeof out);
  return out;
}

template <class Address>
ListenAddress from(const Address& address, std::size_t size = sizeof(Address)) {
  ListenAddress out;
  std::memcpy(&out.storage, &address, sizeof address);
  out.size = static_cast<socklen_t>(size);
  return out;
}

Error invalid(std::string_view text, std::string_view why) {
  return {Errc::validation,
          fmt::format("'{}' is not an address to listen on: {}; expected HOST:PORT, [IPV6]:PORT, "
                      ":PORT or unix:PATH",
                      text, why)};
}

Result<ListenAddress> parse_unix(std::string_view text) {
  const std::string_view path = text.substr(kUnixPrefix.size());
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty()) return invalid(text, "the path is empty");
  if (path.find('\0') != path.npos) return invalid(text, "the path has a zero octet");
  if (path.size() >= sizeof address.sun_path)
    return invalid(text,
                   fmt::format("the path is longer than {} octets", sizeof address.sun_path - 1));
  path.copy(address.sun_path, path.size());
  return from(address, offsetof(sockaddr_un, sun_path) + path.size() + 1);
}

struct HostPort {
  std::string host;
  bool bracketed = false;
  std::uint16_t port = 0;
};

Result<HostPort> split(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == text.npos) return invalid(text, "the port is missing");
  HostPort out;
  std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  if (!host.empty() && host.front() == '[') {
    if (host.back() != ']') return invalid(text, "a bracket is not closed");
    host = host.substr(1, host.size() - 2);
    out.bracketed = true;
  }
  if (!out.bracketed && host.find(':') != host.npos)
    return invalid(text, "an IPv6 address stands in brackets");
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), out.port);
  if (port.empty() || error != std::errc{} || end != port.data() + port.size())
    return invalid(text, "the port is not a number from 0 to 65535");
  out.host = host;
  return out;
}

ListenAddress any_v4(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  return from(address);
}

ListenAddress any_v6(std::uint16_t port) {
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(port);
  return from(address);
}

bool kernel_has_v6() {
  return bool{FileDescriptor(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0))};
}

Result<ListenAddress> look_up(std::string_view text, const HostPort& wanted) {
  addrinfo hints{};
  // IPv4 first: "localhost" means 127.0.0.1 to whoever reads the log.
  hints.ai_family = wanted.bracketed ? AF_INET6 : AF_INET;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  int error = ::getaddrinfo(wanted.host.c_str(), nullptr, &hints, &found);
  if (error != 0 && !wanted.bracketed) {
    hints.ai_family = AF_INET6;
    error = ::getaddrinfo(wanted.host.c_str(), nullptr, &hints, &found);
  }
  if (error != 0)
    return invalid(text, fmt::format("host '{}': {}", wanted.host, ::gai_strerror(error)));
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> list(found, &::freeaddrinfo);
  ListenAddress out;
  std::memcpy(&out.storage, list->ai_addr, list->ai_addrlen);
  out.size = list->ai_addrlen;
  // sin_port and sin6_port have one place.
  static_assert(offsetof(sockaddr_in, sin_port) == offsetof(sockaddr_in6, sin6_port));
  const std::uint16_t port = htons(wanted.port);
  std::memcpy(reinterpret_cast<char*>(&out.storage) + offsetof(sockaddr_in, sin_port), &port,
              sizeof port);
  return out;
}

void set_option(int fd, int level, int option, int value) {
  (void)::setsockopt(fd, level, option, &value, sizeof value);
}

Error refused(const ListenAddress& address, std::string_view call, int error) {
  const std::string where = address.to_string();
  if (error == EADDRINUSE)
    return {Errc::conflict, fmt::format("{} is in use by another process", where)};
  if (error == EACCES)
    return {Errc::forbidden, fmt::format("{}: this user may not listen there", where)};
  return {Errc::unavailable, fmt::format("{}: {}: {}", where, call, std::strerror(error))};
}

constexpr std::chrono::milliseconds kReleaseLook{5};

enum class SharePort { no, yes };

Result<FileDescriptor> bind_and_listen(const ListenAddress& address, SharePort share) {
  FileDescriptor fd(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return refused(address, "socket", errno);
  if (address.family() != AF_UNIX) {
    // Connections of the last run in TIME_WAIT do not keep the port.
    set_option(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
    if (address.family() == AF_INET6) set_option(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 0);
    if (share == SharePort::yes) set_option(fd.get(), SOL_SOCKET, SO_REUSEPORT, 1);
  }
  if (::bind(fd.get(), address.raw(), address.size) != 0) return refused(address, "bind", errno);
  // The kernel checks for a conflict again here, so of two that both got past bind() one is
  // refused.
  if (::listen(fd.get(), kBacklog) != 0) return refused(address, "listen", errno);
  return fd;
}

// Removes the file of a unix socket that nobody listens on any more; anything else stays.
Result<void> clear_stale(const ListenAddress& address) {
  const std::string path = as<sockaddr_un>(address).sun_path;
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

Result<BoundListener> bind_first(const ListenAddress& address) {
  if (address.family() == AF_UNIX)
    if (auto cleared = clear_stale(address); !cleared) return cleared.error();
  auto socket = bind_and_listen(address, SharePort::no);
  if (!socket) return socket.error();
  BoundListener out{address, std::move(socket).value()};
  if (address.family() == AF_UNIX) return out;
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

const sockaddr* ListenAddress::raw() const { return reinterpret_cast<const sockaddr*>(&storage); }

std::uint16_t ListenAddress::port() const {
  if (family() == AF_INET) return ntohs(as<sockaddr_in>(*this).sin_port);
  if (family() == AF_INET6) return ntohs(as<sockaddr_in6>(*this).sin6_port);
  return 0;
}

std::string ListenAddress::to_string() const {
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
  return fmt::format("{}{}", kUnixPrefix, as<sockaddr_un>(*this).sun_path);
}

Result<ListenAddress> parse_listen_address(std::string_view text) {
  if (text.starts_with(kUnixPrefix)) return parse_unix(text);
  auto wanted = split(text);
  if (!wanted) return wanted.error();
  if (!wanted->host.empty()) return look_up(text, *wanted);
  if (wanted->bracketed) return invalid(text, "the brackets are empty");
  return kernel_has_v6() ? any_v6(wanted->port) : any_v4(wanted->port);
}

bool is_loopback(const ListenAddress& address) {
  if (address.family() == AF_UNIX) return true;
  if (address.family() == AF_INET)
    return ntohl(as<sockaddr_in>(address).sin_addr.s_addr) >> 24 == 127;
  const in6_addr host = as<sockaddr_in6>(address).sin6_addr;
  if (IN6_IS_ADDR_LOOPBACK(&host)) return true;
  return IN6_IS_ADDR_V4MAPPED(&host) && host.s6_addr[12] == 127;
}

Result<BoundListener> bind_listener(const ListenAddress& address) {
  // The kernel takes a ring apart behind the end of its process: a daemon that was killed is gone,
  // and still its sockets are there for some 10 ms, longer on a busy machine.
  const auto give_up = std::chrono::steady_clock::now() + kReleaseWaitMax;
  for (;;) {
    auto bound = bind_first(address);
    if (bound || bound.error().code != Errc::conflict ||
        std::chrono::steady_clock::now() >= give_up)
      return bound;
    std::this_thread::sleep_for(kReleaseLook);
  }
}

Result<FileDescriptor> open_listener(const BoundListener& first) {
  if (first.address.family() != AF_UNIX) return bind_and_listen(first.address, SharePort::yes);
  FileDescriptor copy(::fcntl(first.socket.get(), F_DUPFD_CLOEXEC, 0));
  if (!copy) return refused(first.address, "dup", errno);
  return copy;
}

}  // namespace ringcast::io
