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

BoundListener bind_to(std::string_view host) {
  auto bound = bind_listener(tcp_address(host, 0).value());
  EXPECT_TRUE(bound.ok()) << bound.error().detail;
  return std::move(bound).value();
}

TEST(Listener, NamesThePortThatTheKernelChose) {
  for (const std::string_view host : {"127.0.0.1", "::1", "::"}) {
    auto bound = bind_listener(tcp_address(host, 0).value());
    if (!bound && host.starts_with(":")) continue;  // no IPv6 on this machine
    ASSERT_TRUE(bound.ok()) << bound.error().detail;
    EXPECT_NE(bound->address.port(), 0) << host;
    EXPECT_TRUE(connect_to(bound->address)) << bound->address.to_string();
  }
}

TEST(Listener, ServesIpv4AtTheIpv6AddressThatIsEveryAddress) {
  const auto everywhere = bind_listener(tcp_address("::", 0).value());
  if (!everywhere) GTEST_SKIP() << "no IPv6 on this machine";
  EXPECT_TRUE(connect_to(tcp_address("127.0.0.1", everywhere->address.port()).value()));
}

TEST(Listener, RefusesASecondDaemonAndNamesTheAddress) {
  const auto first = bind_to("127.0.0.1");
  const auto joined = open_listener(first);
  ASSERT_TRUE(joined.ok());
  // At any time of the first one's start, also while only its further listeners are left.
  for (const std::string_view host : {"127.0.0.1", "::", "0.0.0.0"}) {
    const auto address = tcp_address(host, first.address.port()).value();
    const auto second = bind_listener(address);
    ASSERT_FALSE(second.ok()) << host;
    if (host == "::" && second.error().code != Errc::conflict) continue;  // no IPv6 here
    EXPECT_EQ(second.error().code, Errc::conflict);
    EXPECT_EQ(second.error().detail, address.to_string() + " is in use by another process");
  }
}

TEST(Listener, RefusesASecondDaemonWhileOnlyFurtherListenersAreLeft) {
  auto first = bind_to("127.0.0.1");
  const auto joined = open_listener(first);
  ASSERT_TRUE(joined.ok());
  first.socket.reset();
  EXPECT_FALSE(bind_listener(first.address).ok());
}

TEST(Listener, WaitsForAnAddressThatIsAboutToBeFree) {
  auto first = bind_to("127.0.0.1");
  const SocketAddress address = first.address;
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
  auto first = bind_to("127.0.0.1");
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
  const auto bound = bind_listener(tcp_address("192.0.2.1", 8800).value());
  ASSERT_FALSE(bound.ok());
  EXPECT_THAT(bound.error().detail, HasSubstr("192.0.2.1:8800: bind: "));
}

class UnixListener : public ::testing::Test {
 protected:
  ~UnixListener() override { ::unlink(path.c_str()); }
  [[nodiscard]] bool is_there() const { return ::access(path.c_str(), F_OK) == 0; }
  [[nodiscard]] mode_t mode() const {
    struct stat status {};
    EXPECT_EQ(::stat(path.c_str(), &status), 0);
    return status.st_mode & 07777;
  }
  std::string path = ::testing::TempDir() + "ringcast-listener-" + std::to_string(::getpid());
  SocketAddress address = unix_address(path).value();
};

TEST_F(UnixListener, ReplacesAStaleFile) {
  {
    const FileDescriptor killed(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(::bind(killed.get(), address.raw(), address.size), 0);
    ASSERT_EQ(::listen(killed.get(), 1), 0);
  }
  ASSERT_TRUE(is_there());
  const auto second = bind_listener(address);
  ASSERT_TRUE(second.ok()) << second.error().detail;
  EXPECT_TRUE(connect_to(address));
}

TEST_F(UnixListener, HasTheModeWhateverTheUmask) {
  const mode_t old = ::umask(077);
  const auto first = bind_listener(address);
  EXPECT_EQ(mode(), 0660U);
  ::umask(0);
  ASSERT_TRUE(first.ok());
  ::unlink(path.c_str());
  const auto second = bind_listener(address, 0600);
  ::umask(old);
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(mode(), 0600U);
}

TEST_F(UnixListener, TakesItsFileAwayAtTheEnd) {
  {
    const auto bound = bind_listener(address);
    ASSERT_TRUE(is_there());
  }
  EXPECT_FALSE(is_there());
}

TEST_F(UnixListener, LeavesTheFileOfTheOneThatFollowed) {
  auto first = bind_listener(address);
  ASSERT_TRUE(first.ok());
  first->socket.reset();  // as a daemon that stops and still serves its old connections
  const auto second = bind_listener(address);
  ASSERT_TRUE(second.ok()) << second.error().detail;
  first->file.remove();
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
  const auto bound = bind_to("127.0.0.1");
  const auto joined = open_listener(bound);
  ASSERT_TRUE(joined.ok());
  for (const int fd : {bound.socket.get(), joined->get()})
    EXPECT_TRUE((::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
}

}  // namespace
}  // namespace ringcast::io
