#include "socket_pairs.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace ringcast::bench {

namespace {

Result<SocketPairs> connect_pairs(io::Ring& ring, std::size_t count) {
  const io::FileDescriptor listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* where = reinterpret_cast<sockaddr*>(&address);
  if (::bind(listener.get(), where, size) != 0 || ::listen(listener.get(), 1'024) != 0 ||
      ::getsockname(listener.get(), where, &size) != 0)
    return {Errc::unavailable, "limit: no listener"};
  SocketPairs pairs;
  for (std::size_t i = 0; i < count; ++i) {
    io::FileDescriptor client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (::connect(client.get(), where, size) != 0)
      return {Errc::unavailable, "limit: no connection"};
    io::FileDescriptor server(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    const int on = 1;
    ::setsockopt(server.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ::setsockopt(client.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ::fcntl(client.get(), F_SETFL, O_NONBLOCK);
    auto adopted = ring.adopt(std::move(server));
    if (!adopted) return adopted.error();
    pairs.servers.push_back(*adopted);
    pairs.clients.push_back(std::move(client));
  }
  return pairs;
}

}  // namespace

Result<BareRing> BareRing::open(std::size_t pairs) {
  BareRing out;
  io::RingOptions options;
  options.sockets_max = static_cast<std::uint32_t>(pairs + 16);
  auto ring = io::Ring::create(options);
  if (!ring) return ring.error();
  out.ring = std::move(ring).value();
  auto clock = CpuClock::of_this_thread();
  if (!clock) return clock.error();
  out.clock = std::move(clock).value();
  auto connected = connect_pairs(*out.ring, pairs);
  if (!connected) return connected.error();
  out.pairs = std::move(connected).value();
  return out;
}

}  // namespace ringcast::bench
