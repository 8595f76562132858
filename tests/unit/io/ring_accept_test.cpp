#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <set>

#include "io/socket_options.hpp"
#include "unit/io/ring_fixture.hpp"

namespace ringcast::io {

using RingAccept = RingTest;
INSTANTIATE_TEST_SUITE_P(, RingAccept, ::testing::Values(Backend::io_uring, Backend::epoll),
                         &name_of);

TEST_P(RingAccept, NamesTheListenerOfEachConnection) {
  const auto first = listen_on_loopback(1);
  const auto second = listen_on_loopback(2);
  const Client a = client(first);
  const Client b = client(second);
  EXPECT_EQ(seen.listeners, (std::vector<std::uint32_t>{1, 2}));
  EXPECT_NE(a.id, b.id);
  EXPECT_EQ(ring->counters().accepted, 2U);
}

TEST_P(RingAccept, ReadsAnAcceptedSocketAtOnce) {
  const Client a = client(listen_on_loopback());
  write_all(a.fd.get(), "hello");
  until([&] { return seen.bytes[a.id] == "hello"; });
}

TEST_P(RingAccept, EchoesToManyClients) {
  const auto address = listen_on_loopback();
  std::vector<FileDescriptor> clients;
  for (int i = 0; i < 300; ++i) clients.push_back(connect_to(address));
  until([&] { return seen.accepted.size() == clients.size(); });
  for (std::size_t i = 0; i < clients.size(); ++i)
    write_all(clients[i].get(), pattern(100, static_cast<unsigned>(i)));
  until([&] {
    std::size_t complete = 0;
    for (const auto& [id, bytes] : seen.bytes) complete += bytes.size() == 100 ? 1 : 0;
    return complete == clients.size();
  });
  for (const auto& [id, bytes] : seen.bytes) ring->send(id, view(bytes));
  EXPECT_TRUE(ring->flush_sends().empty());
  for (std::size_t i = 0; i < clients.size(); ++i)
    EXPECT_EQ(read_exactly(clients[i].get(), 100), pattern(100, static_cast<unsigned>(i))) << i;
}

TEST_P(RingAccept, SetsTheOptionsOfEveryConnection) {
  auto bound = bind_listener(tcp_address("127.0.0.1", 0).value());
  ASSERT_TRUE(bound.ok());
  const int listener = ::dup(bound->socket.get());
  ASSERT_TRUE(ring->listen(std::move(bound->socket), 1).ok());
  // Accepted beside the ring, from the same listener: what it inherits every connection has.
  ring->pause_accept();
  settle();
  const FileDescriptor client_end = connect_to(bound->address);
  const FileDescriptor accepted([&] {
    set_blocking(listener, Blocking::yes);
    return ::accept(listener, nullptr, nullptr);
  }());
  ::close(listener);
  const auto option = [&](int name) {
    int value = -1;
    socklen_t size = sizeof value;
    EXPECT_EQ(::getsockopt(accepted.get(), IPPROTO_TCP, name, &value, &size), 0);
    return value;
  };
  EXPECT_EQ(option(TCP_NODELAY), 1);
  EXPECT_EQ(option(TCP_NOTSENT_LOWAT), kNotSentBytesMax);
  EXPECT_EQ(option(TCP_USER_TIMEOUT), kUserTimeoutMs);
}

TEST_P(RingAccept, ClosesWhatIsAboveSocketsMaxAndKeepsTheOthers) {
  ASSERT_NO_FATAL_FAILURE(make({.sockets_max = 2}));
  if (!ring) return;
  const auto address = listen_on_loopback();
  const Client a = client(address);
  const Client b = client(address);
  const FileDescriptor third = connect_to(address);
  until([&] { return ring->counters().refused == 1; });
  EXPECT_EQ(read_exactly(third.get(), 1), "");
  EXPECT_FALSE(ring->adopt(socket_pair().near).ok());
  write_all(a.fd.get(), "still here");
  until([&] { return seen.bytes[a.id] == "still here"; });

  ring->close(b.id);
  until([&] { return ring->sockets() == 1; });
  client(address);
  EXPECT_EQ(seen.accepted.size(), 3U);
}

TEST_P(RingAccept, LeavesConnectionsInTheBacklogWhilePaused) {
  const auto address = listen_on_loopback();
  client(address);
  ring->pause_accept();
  settle();
  const FileDescriptor waiting = connect_to(address);
  settle();
  EXPECT_EQ(seen.accepted.size(), 1U);
  ring->resume_accept();
  until([&] { return seen.accepted.size() == 2; });
}

TEST_P(RingAccept, ResumesAtOnceAfterAPause) {
  const auto address = listen_on_loopback();
  poll();
  ring->pause_accept();
  ring->resume_accept();
  client(address);
  EXPECT_EQ(seen.accepted.size(), 1U);
}

TEST_P(RingAccept, RefusesConnectionsOnceTheListenersAreClosed) {
  const auto address = listen_on_loopback();
  const Client a = client(address);
  ring->close_listeners();
  settle();
  EXPECT_FALSE(bool{connect_to(address)});
  write_all(a.fd.get(), "old ones stay");
  until([&] { return seen.bytes[a.id] == "old ones stay"; });
}

TEST_P(RingAccept, FreesThePortBeforeItIsGone) {
  auto address = listen_on_loopback();
  for (int restart = 0; restart < 20; ++restart) {
    const Client a = client(address);
    ASSERT_NO_FATAL_FAILURE(make({}));
    seen = {};
    auto bound = bind_listener(address);
    ASSERT_TRUE(bound.ok()) << bound.error().detail;
    EXPECT_EQ(bound->address.port(), address.port());
    ASSERT_TRUE(ring->listen(std::move(bound->socket), 1).ok());
  }
}

TEST_P(RingAccept, SharesAnAddressBetweenTwoRings) {
  auto bound = bind_listener(tcp_address("127.0.0.1", 0).value());
  ASSERT_TRUE(bound.ok());
  auto second_socket = open_listener(*bound);
  ASSERT_TRUE(second_socket.ok()) << second_socket.error().detail;
  auto second = Ring::create({.backend = GetParam()});
  ASSERT_TRUE(second.ok());
  ASSERT_TRUE(ring->listen(std::move(bound->socket), 1).ok());
  ASSERT_TRUE((*second)->listen(std::move(*second_socket), 2).ok());
  std::vector<FileDescriptor> clients;
  for (int i = 0; i < 200; ++i) clients.push_back(connect_to(bound->address));
  until([&] {
    for (const IoEvent& event : (*second)->wait(Instant::min())) note(event);
    poll();
    return seen.accepted.size() == clients.size();
  });
  const std::set<std::uint32_t> used(seen.listeners.begin(), seen.listeners.end());
  EXPECT_EQ(used, (std::set<std::uint32_t>{1, 2}));
}

TEST_P(RingAccept, NamesThePeer) {
  const auto address = listen_on_loopback();
  const Client a = client(address);
  sockaddr_in own{};
  socklen_t size = sizeof own;
  ASSERT_EQ(::getsockname(a.fd.get(), reinterpret_cast<sockaddr*>(&own), &size), 0);
  const auto peer = ring->peer(a.id);
  ASSERT_TRUE(peer.ok()) << peer.error().detail;
  EXPECT_EQ(peer->to_string(), "127.0.0.1:" + std::to_string(ntohs(own.sin_port)));
  ring->close(a.id);
  EXPECT_FALSE(ring->peer(a.id).ok());
}

TEST_P(RingAccept, OneOfSeveralRingsTakesEachConnectionOfASharedUnixSocket) {
  const std::string path = ::testing::TempDir() + "ringcast-shared-" + std::to_string(::getpid());
  auto bound = bind_listener(unix_address(path).value());
  ASSERT_TRUE(bound.ok()) << bound.error().detail;
  auto second_socket = open_listener(*bound);
  ASSERT_TRUE(second_socket.ok());
  auto second = Ring::create({.backend = GetParam()});
  ASSERT_TRUE(second.ok());
  ASSERT_TRUE(ring->listen(std::move(bound->socket), 1).ok());
  ASSERT_TRUE((*second)->listen(std::move(*second_socket), 2).ok());
  std::vector<FileDescriptor> clients;
  for (int i = 0; i < 100; ++i) {
    clients.push_back(connect_to(bound->address));
    ASSERT_TRUE(bool{clients.back()});
  }
  until([&] {
    for (const IoEvent& event : (*second)->wait(Instant::min())) note(event);
    poll();
    return seen.accepted.size() >= clients.size();
  });
  EXPECT_EQ(seen.accepted.size(), clients.size());
}

TEST_P(RingAccept, AcceptsOnAUnixSocket) {
  const std::string path = ::testing::TempDir() + "ringcast-accept-" + std::to_string(::getpid());
  const Client a = client(listen_on(unix_address(path).value()));
  write_all(a.fd.get(), "local");
  until([&] { return seen.bytes[a.id] == "local"; });
  EXPECT_EQ(ring->peer(a.id)->family(), AF_UNIX);
}

}  // namespace ringcast::io
