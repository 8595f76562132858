#include "io/socket_address.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/un.h>

namespace ringcast::io {
namespace {

using ::testing::HasSubstr;

TEST(SocketAddress, ShowsWhatItWasMadeOf) {
  EXPECT_EQ(tcp_address("127.0.0.1", 8'800)->to_string(), "127.0.0.1:8800");
  EXPECT_EQ(tcp_address("0.0.0.0", 65'535)->to_string(), "0.0.0.0:65535");
  EXPECT_EQ(tcp_address("::1", 0)->to_string(), "[::1]:0");
  EXPECT_EQ(tcp_address("::ffff:10.0.0.1", 80)->to_string(), "[::ffff:10.0.0.1]:80");
  EXPECT_EQ(tcp_address("localhost", 80)->to_string(), "127.0.0.1:80");
  EXPECT_EQ(unix_address("/run/ringcast.sock")->to_string(), "unix:/run/ringcast.sock");
  EXPECT_EQ(unix_address("relative")->path(), "relative");
  EXPECT_EQ(unix_address("relative")->port(), 0);
}

TEST(SocketAddress, SaysWhatIsWrongWithAHost) {
  for (const char* host : {"no host", "", "::g"}) {
    const auto address = tcp_address(host, 80);
    ASSERT_FALSE(address.ok()) << host;
    EXPECT_EQ(address.error().code, Errc::validation);
    EXPECT_THAT(address.error().detail, HasSubstr("host '" + std::string(host) + "'"));
  }
}

TEST(SocketAddress, TakesAPathUpToTheKernelsLimit) {
  constexpr std::size_t kMax = sizeof(sockaddr_un::sun_path) - 1;
  EXPECT_TRUE(unix_address(std::string(kMax, 'x')).ok());
  const auto longer = unix_address(std::string(kMax + 1, 'x'));
  ASSERT_FALSE(longer.ok());
  EXPECT_THAT(longer.error().detail, HasSubstr("longer than 107"));
  EXPECT_FALSE(unix_address("").ok());
  EXPECT_FALSE(unix_address(std::string_view("a\0b", 3)).ok()) << "an abstract or cut name";
}

}  // namespace
}  // namespace ringcast::io
