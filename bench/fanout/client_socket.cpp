#include "client_socket.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <sstream>
#include <utility>

namespace ringcast::bench {

namespace {

Result<int> connect_to(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return {Errc::unavailable, fmt::format("socket: {}", std::strerror(errno))};
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    ::close(fd);
    return {Errc::unavailable, fmt::format("connect: {}", std::strerror(errno))};
  }
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  const timeval patience{30, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  return fd;
}

Result<void> send_all(int fd, std::string_view octets) {
  while (!octets.empty()) {
    const auto sent = ::send(fd, octets.data(), octets.size(), MSG_NOSIGNAL);
    if (sent > 0) {
      octets.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno != EAGAIN && errno != EINTR) {
      return {Errc::unavailable, fmt::format("send: {}", std::strerror(errno))};
    }
  }
  return {};
}

// A ring of this thread that has just ended interrupts it, and a receive with a timeout is not
// begun again by the kernel.
long recv_blocking(int fd, char* buffer, std::size_t size) {
  for (;;) {
    const auto got = ::recv(fd, buffer, size, 0);
    if (got >= 0 || errno != EINTR) return got;
  }
}

}  // namespace

ClientSocket::ClientSocket(ClientSocket&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      plain_text_(other.plain_text_),
      received_(other.received_),
      partial_(std::move(other.partial_)) {}

ClientSocket::~ClientSocket() {
  if (fd_ >= 0) ::close(fd_);
}

Result<ClientSocket> ClientSocket::open(std::uint16_t port) {
  auto fd = connect_to(port);
  if (!fd) return fd.error();
  return ClientSocket(*fd);
}

std::string ClientSocket::upgrade_request(std::uint16_t port, std::string_view path,
                                          std::string_view extension) {
  const std::string offer =
      extension.empty() ? "" : fmt::format("Sec-WebSocket-Extensions: {}\r\n", extension);
  return fmt::format(
      "GET {} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{}"
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
      path, port, offer);
}

Result<void> ClientSocket::wait_for_head(std::string_view status, std::string_view text) {
  std::string head;
  char octet = 0;
  while (!head.ends_with("\r\n\r\n")) {
    if (recv_blocking(fd_, &octet, 1) != 1)
      return {Errc::unavailable, "the server closed during the handshake"};
    head += octet;
  }
  if (!head.starts_with(status))
    return {Errc::unavailable, "no upgrade: " + head.substr(0, head.find('\r'))};
  if (head.find(text) == std::string::npos)
    return {Errc::unavailable, fmt::format("the server does not agree to {}", text)};
  return {};
}

Result<ClientSocket> ClientSocket::connect(std::uint16_t port) {
  auto client = open(port);
  if (!client) return client;
  if (auto sent = client->send(upgrade_request(port, "/ws")); !sent) return sent.error();
  if (auto head = client->wait_for_head("HTTP/1.1 101"); !head) return head.error();
  if (auto hello = client->wait_for("\"connected\""); !hello) return hello.error();
  return client;
}

void ClientSocket::append_frame(std::string& out, std::string_view json) {
  out += '\x81';
  if (json.size() <= 125) {
    out += static_cast<char>(0x80 | json.size());
  } else {
    out += '\xfe';
    out += static_cast<char>(json.size() >> 8);
    out += static_cast<char>(json.size() & 0xff);
  }
  out.append(4, '\0');
  out += json;
}

Result<void> ClientSocket::send(std::string_view octets) { return send_all(fd_, octets); }

Result<std::string> ClientSocket::wait_for(std::string_view text) {
  char buffer[4'096];
  for (;;) {
    std::string_view rest(partial_);
    std::string_view message;
    while (take_message(rest, message)) {
      if (message.find(text) == std::string_view::npos) continue;
      std::string found(message);
      partial_ = std::string(rest);
      return found;
    }
    partial_ = std::string(rest);
    const auto got = recv_blocking(fd_, buffer, sizeof buffer);
    // A ring that ends in this process interrupts, and a receive with a timeout is not restarted.
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return {Errc::unavailable, fmt::format("no {} came: '{}'", text, partial_)};
    partial_.append(buffer, static_cast<std::size_t>(got));
  }
}

void ClientSocket::non_blocking() { ::fcntl(fd_, F_SETFL, O_NONBLOCK); }

long ClientSocket::receive(std::vector<char>& buffer) {
  const auto got = ::recv(fd_, buffer.data(), buffer.size(), 0);
  if (got > 0) return got;
  return got < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

bool ClientSocket::take_message(std::string_view& rest, std::string_view& message) {
  if (plain_text_) {
    std::string_view empty_line = "\n\n";
    auto end = rest.find(empty_line);
    if (end == std::string_view::npos) end = rest.find(empty_line = "\r\n\r\n");
    if (end == std::string_view::npos) return false;
    message = rest.substr(0, end);
    rest.remove_prefix(end + empty_line.size());
    return true;
  }
  const auto octet = [&](std::size_t at) { return static_cast<std::uint8_t>(rest[at]); };
  if (rest.size() < 2) return false;
  std::size_t size = octet(1);
  std::size_t header = 2;
  if (size >= 126) {
    const std::size_t extra = size == 126 ? 2 : 8;
    if (rest.size() < header + extra) return false;
    size = 0;
    for (std::size_t i = 0; i < extra; ++i) size = size << 8 | octet(2 + i);
    header += extra;
  }
  if (rest.size() < header + size) return false;
  compressed_ = (octet(0) & 0x40) != 0;  // RFC 7692 section 6: RSV1
  message = rest.substr(header, size);
  rest.remove_prefix(header + size);
  return true;
}

Result<std::string> http_get(std::uint16_t port, std::string_view path) {
  auto fd = connect_to(port);
  if (!fd) return fd.error();
  std::string answer;
  if (send_all(*fd,
               fmt::format("GET {} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n\r\n",
                           path, port))) {
    char buffer[16'384];
    for (long got = 0; (got = ::recv(*fd, buffer, sizeof buffer, 0)) > 0;)
      answer.append(buffer, static_cast<std::size_t>(got));
  }
  ::close(*fd);
  const auto body = answer.find("\r\n\r\n");
  if (body == std::string::npos) return {Errc::unavailable, "no answer"};
  return answer.substr(body + 4);
}

double metric_of(std::uint16_t port, std::string_view name) {
  auto text = http_get(port, "/metrics");
  if (!text) return 0;
  double sum = 0;
  std::istringstream lines(*text);
  for (std::string line; std::getline(lines, line);) {
    const auto end = line.find_first_of(" {");
    if (end == std::string::npos || std::string_view(line).substr(0, end) != name) continue;
    sum += std::atof(line.c_str() + line.rfind(' '));
  }
  return sum;
}

std::uint64_t number_after(std::string_view message, std::string_view name, std::uint64_t missing) {
  const auto* at =
      static_cast<const char*>(::memmem(message.data(), message.size(), name.data(), name.size()));
  if (at == nullptr) return missing;
  const char* c = at + name.size();
  const char* const end = message.data() + message.size();
  if (c != end && *c == ' ') ++c;  // as jsonb writes it
  std::uint64_t number = 0;
  for (; c != end; ++c) {
    if (*c < '0' || *c > '9') break;
    number = number * 10 + static_cast<std::uint64_t>(*c - '0');
  }
  return number;
}

}  // namespace ringcast::bench
