#include "net/address_key.hpp"

#include <gtest/gtest.h>

#include <string_view>

namespace ringcast {
namespace {

std::uint64_t key_of(std::string_view host, std::uint16_t port = 1) {
  return address_key(io::tcp_address(host, port).value()).value();
}

TEST(AddressKey, TellsIpv4AddressesApartWhateverTheirPort) {
  EXPECT_EQ(key_of("10.0.0.1", 1), key_of("10.0.0.1", 2));
  EXPECT_NE(key_of("10.0.0.1"), key_of("10.0.0.2"));
  EXPECT_NE(key_of("10.0.0.1"), key_of("11.0.0.1"));
}

TEST(AddressKey, TakesAnIpv4AddressInIpv6ForWhatItIs) {
  EXPECT_EQ(key_of("::ffff:10.0.0.1"), key_of("10.0.0.1"));
  EXPECT_NE(key_of("::ffff:10.0.0.1"), key_of("::ffff:10.0.0.2"));
}

TEST(AddressKey, TellsIpv6AddressesApartByTheirFirst64Bits) {
  EXPECT_EQ(key_of("2001:db8:1:2::1"), key_of("2001:db8:1:2:ffff:ffff:ffff:ffff"));
  EXPECT_NE(key_of("2001:db8:1:2::1"), key_of("2001:db8:1:3::1"));
  EXPECT_NE(key_of("2001:db8:1:2::1"), key_of("2001:db9:1:2::1"));
  EXPECT_NE(key_of("::1"), key_of("0.0.0.0"));
}

TEST(AddressKey, GivesNoneToAUnixSocket) {
  EXPECT_EQ(address_key(io::unix_address("/run/x").value()), std::nullopt);
}

}  // namespace
}  // namespace ringcast
