// What connections_per_address_max takes for one address.
#pragma once

#include <cstdint>
#include <optional>

#include "io/socket_address.hpp"

namespace ringcast {

// An IPv4 address, also where IPv6 carries it (RFC 4291 section 2.5.5.2), or the first 64 bits of
// an IPv6 address: the rest is its owner's to choose (section 2.5.1). Nothing for a unix socket,
// whose peers have no address. Thread: any.
[[nodiscard]] std::optional<std::uint64_t> address_key(const io::SocketAddress& address);

}  // namespace ringcast
