#include "net/address_key.hpp"

#include <netinet/in.h>

#include <cstring>

namespace ringcast {

namespace {

// ffff:ffff::/32 is multicast, which nobody connects from: no prefix is taken for an IPv4 address.
std::uint64_t v4_key(const unsigned char* octets) {
  std::uint64_t key = 0xffffffff;
  for (int i = 0; i < 4; ++i) key = key << 8 | octets[i];
  return key;
}

}  // namespace

std::optional<std::uint64_t> address_key(const io::SocketAddress& address) {
  if (address.family() == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, &address.storage, sizeof v4);
    unsigned char octets[4];
    std::memcpy(octets, &v4.sin_addr, sizeof octets);
    return v4_key(octets);
  }
  if (address.family() != AF_INET6) return std::nullopt;
  sockaddr_in6 v6{};
  std::memcpy(&v6, &address.storage, sizeof v6);
  if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) return v4_key(v6.sin6_addr.s6_addr + 12);
  std::uint64_t key = 0;
  for (int i = 0; i < 8; ++i) key = key << 8 | v6.sin6_addr.s6_addr[i];
  return key;
}

}  // namespace ringcast
