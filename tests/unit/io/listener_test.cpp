#include "io/listener.hpp"

#include <netinet/in.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <gmock/gmock.h>

#include <chrono>
#include <thread>

#include "unit/io/ring_fixture.hpp"

namespace ringcast::io {
namespace {

using ::testing::HasSubstr;

TEST(ListenAddress, ParsesEveryForm) {
  struct Case {
    const char* text;
    const char* shown;
    bool loopback;
  };
  constexpr Case kCases[] = {
      {"127.0.0.1:8800", "127.0.0.1:8800", true},
      {"127.255.255.254:1", "127.255.255.254:1", true},
      {"128.0.0.1:1", "128.0.0.1:1", false},
      {"126.255.255.255:1", "126.255.255.255:1", false},
      {"0.0.0.0:65535", "0.0.0.0:65535", false},
      {"10.1.2.3:0", "10.1.2.3:0", false},
      {"[::1]:8080", "[::1]:8080", true},
      {"[::2]:8080", "[::2]:8080", false},
      {"[::]:8080", "[::]:8080", false},
      {"[::ffff:127.0.0.1]:80", "[::ffff:127.0.0.1]:80", true},
      {"[::ffff:10.0.0.1]:80", "[::ffff:10.0.0.1]:80", false},
      {"localhost:8800", "127.0.0.1:8800", true},
      {"unix:/run/ringcast.sock", "unix:/run/ringcast.sock", true},
      {"unix:relative", "unix:relative", true},
  };
  for (const Case& c : kCases) {
    const auto address = parse_listen_address(c.text);
    ASSERT_TRUE(address.ok()) << c.text << ": " << address.error().detail;
    EXPECT_EQ(address->to_string(), c.shown);
    EXPECT_EQ(is_loopback(*address), c.loopback) << c.text;
  }
}

TEST(ListenAddress, ListensEverywhereWithoutAHost) {
  const auto address = parse_listen_address(":8800");
  ASSERT_TRUE(address.ok());
  EXPECT_EQ(address->port(), 8'800);
  EXPECT_FALSE(is_loopback(*address));
}

TEST(ListenAddress, SaysWhatIsWrongWithAnythingElse) {
  struct Case {
    std::string text;
    const char* why;
  };
  const Case cases[] = {
      {"", "the port is missing"},
      {"8800", "the port is missing"},
      {"127.0.0.1", "the port is missing"},
      {"127.0.0.1:", "the port is not a number"},
      {"127.0.0.1:http", "the port is not a number"},
      {"127.0.0.1:65536", "the port is not a number"},
      {"127.0.0.1:-1", "the port is not a number"},
      {"127.0.0.1:80 ", "the port is not a number"},
      {"127.0.0.1:+80", "the port is not a number"},
      {"::1:8080", "brackets"},
      {"[::1:8080", "bracket is not closed"},
      {"[]:8080", "the brackets are empty"},
      {"[127.0.0.1]:80", "host '127.0.0.1'"},
      {"[", "the port is missing"},
      {"[:80", "a bracket is not closed"},
      {"no host:80", "host 'no host'"},
      {"unix:", "the path is empty"},
      {"unix:" + std::string(sizeof(sockaddr_un::sun_path), 'x'), "longer than 107"},
  };
  for (const Case& c : cases) {
    const auto address = parse_listen_address(c.text);
    ASSERT_FALSE(address.ok()) << c.text;
    EXPECT_EQ(address.error().code, Errc::validation);
    EXPECT_THAT(address.error().detail, HasSubstr(c.why)) << c.text;
    EXPECT_THAT(address.error().detail, HasSubstr("expected HOST:PORT")) << c.text;
  }
  EXPECT_TRUE(
      parse_listen_address("unix:" + std::string(sizeof(sockaddr_un::sun_path) - 1, 'x')).ok());
}

BoundListener bind_to(std::string_view text) {
  auto bound = bind_listener(parse_listen_address(text).value());
  EXPECT_TRUE(bound.ok()) << bound.error().detail;
  return std::move(bound).value();
}

TEST(Listener, NamesThePortThatTheKernelChose) {
  for (const char* text : {"127.0.0.1:0", "[::1]:0", ":0"}) {
    auto bound = bind_listener(parse_listen_address(text).value());
    if (!bound && std::string_view(text).starts_with("[")) continue;  // no IPv6 on this machine
    ASSERT_TRUE(bound.ok()) << bound.error().detail;
    EXPECT_NE(bound->address.port(), 0) << text;
    EXPECT_TRUE(connect_to(bound->address)) << bound->address.to_string();
  }
}

TEST(Listener, ServesIpv4AlsoWithoutAHost) {
  const auto everywhere = bind_to(":0");
  const auto v4 = parse_listen_address("127.0.0.1:" + std::to_string(everywhere.address.port()));
  EXPECT_TRUE(connect_to(*v4));
}

TEST(Listener, RefusesASecondDaemonAndNamesTheAddress) {
  const auto first = bind_to("127.0.0.1:0");
  const auto joined = open_listener(first);
  ASSERT_TRUE(joined.ok());
  // At any time of the first one's start, also while only its further listeners are left.
  for (const char* host : {"127.0.0.1", "", "0.0.0.0"}) {
    const auto text = std::string(host) + ":" + std::to_string(first.address.port());
    const auto address = parse_listen_address(text).value();
    const auto second = bind_listener(address);
    ASSERT_FALSE(second.ok()) << text;
    EXPECT_EQ(second.error().code, Errc::conflict);
    EXPECT_EQ(second.error().detail, address.to_string() + " is in use by another process");
  }
}

TEST(Listener, RefusesASecondDaemonWhileOnlyFurtherListenersAreLeft) {
  auto first = bind_to("127.0.0.1:0");
  const auto joined = open_listener(first);
  ASSERT_TRUE(joined.ok());
  first.socket.reset();
  EXPECT_FALSE(bind_listener(first.address).ok());
}

TEST(Listener, WaitsForAnAddressThatIsAboutToBeFree) {
  auto first = bind_to("127.0.0.1:0");
  const ListenAddress address = first.address;
  const auto begin = std::chrono::steady_clock::now();
  std::thread ends([&] {
    std::this_thread::sleep_for(kReleaseWaitMax / 10);
    first.socket.reset();
  });
  const auto second = bind_listener(address);
  const auto waited = std::chrono::steady_clock::now() - begin;
  ends.join();
  ASSERT_TRUE(second.ok()) << second.error().detail;
  EXPECT_GE(waited, kReleaseWaitMax / 10);
}

TEST(Listener, IsFreeAgainAfterItsConnections) {
  auto first = bind_to("127.0.0.1:0");
  // The server closes first, so its side of the connection stays in TIME_WAIT.
  FileDescriptor client = connect_to(first.address);
  FileDescriptor server(::accept(first.socket.get(), nullptr, nullptr));
  server.reset();
  EXPECT_EQ(read_exactly(client.get(), 1), "");
  client.reset();
  first.socket.reset();
  const auto second = bind_listener(first.address);
  EXPECT_TRUE(second.ok()) << second.error().detail;
}

TEST(Listener, SaysThatAnAddressIsNotOfThisMachine) {
  const auto bound = bind_listener(parse_listen_address("192.0.2.1:8800").value());
  ASSERT_FALSE(bound.ok());
  EXPECT_THAT(bound.error().detail, HasSubstr("192.0.2.1:8800: bind: "));
}

class UnixListener : public ::testing::Test {
 protected:
  ~UnixListener() override { ::unlink(path.c_str()); }
  std::string path = ::testing::TempDir() + "ringcast-listener-" + std::to_string(::getpid());
  ListenAddress address = parse_listen_address("unix:" + path).value();
};

TEST_F(UnixListener, ReplacesAStaleFile) {
  {
    const auto first = bind_listener(address);
    ASSERT_TRUE(first.ok());
  }  // as after a crash: the file is left
  ASSERT_EQ(::access(path.c_str(), F_OK), 0);
  const auto second = bind_listener(address);
  ASSERT_TRUE(second.ok()) << second.error().detail;
  EXPECT_TRUE(connect_to(address));
}

TEST_F(UnixListener, RefusesAFileThatIsListenedOn) {
  const auto first = bind_listener(address);
  ASSERT_TRUE(first.ok());
  const auto second = bind_listener(address);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().detail, "unix:" + path + " is in use by another process");
  EXPECT_TRUE(connect_to(address)) << "the first is not disturbed";
}

TEST_F(UnixListener, LeavesAFileThatIsNoSocket) {
  const FileDescriptor file(::open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
  ASSERT_TRUE(bool{file});
  const auto bound = bind_listener(address);
  ASSERT_FALSE(bound.ok());
  EXPECT_THAT(bound.error().detail, HasSubstr("no socket"));
  EXPECT_EQ(::access(path.c_str(), F_OK), 0);
}

TEST_F(UnixListener, SharesOneSocketAmongShards) {
  auto first = bind_listener(address);
  ASSERT_TRUE(first.ok());
  const auto second = open_listener(*first);
  ASSERT_TRUE(second.ok());
  first->socket.reset();
  const FileDescriptor client = connect_to(address);
  ASSERT_TRUE(bool{client});
  EXPECT_TRUE(FileDescriptor(::accept(second->get(), nullptr, nullptr)));
}

TEST(Listener, PassesNoDescriptorToAnExecutedProgram) {
  const auto bound = bind_to("127.0.0.1:0");
  const auto joined = open_listener(bound);
  ASSERT_TRUE(joined.ok());
  for (const int fd : {bound.socket.get(), joined->get()})
    EXPECT_TRUE((::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
}

}  // namespace
}  // namespace ringcast::io
