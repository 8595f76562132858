#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <thread>

#include "io/accept_gate.hpp"
#include "unit/io/ring_fixture.hpp"

namespace ringcast::io {

class RingLifetime : public RingTest {
 protected:
  void close_and_settle(SocketId id) {
    ring->close(id);
    until([&] { return ring->sockets() == 0; });
  }
};
INSTANTIATE_TEST_SUITE_P(, RingLifetime, ::testing::Values(Backend::io_uring, Backend::epoll),
                         &name_of);

TEST_P(RingLifetime, SaysWhatItRunsOn) {
  EXPECT_TRUE(ring->describe().starts_with(backend_name(GetParam()))) << ring->describe();
  ASSERT_NO_FATAL_FAILURE(make({.reason = "because"}));
  if (ring && GetParam() == Backend::epoll) {
    EXPECT_EQ(ring->describe(), "epoll (because)");
  }
}

TEST_P(RingLifetime, SleepsUntilTheDeadline) {
  poll();
  const auto before = ring->counters().waits;
  const Instant deadline = soon(Millis{50});
  while (SystemClock{}.now() < deadline) EXPECT_TRUE(ring->wait(deadline).empty());
  EXPECT_LE(ring->counters().waits, before + kInterruptionsMax);
}

TEST_P(RingLifetime, OnlyPollsWhenTheDeadlineHasPassed) {
  const auto before = ring->counters().waits;
  EXPECT_TRUE(ring->wait(Instant::min()).empty());
  EXPECT_TRUE(ring->wait(SystemClock{}.now()).empty());
  EXPECT_EQ(ring->counters().waits, before);
}

TEST_P(RingLifetime, WakesFromAnotherThread) {
  for (int round = 1; round <= 50; ++round) {
    std::thread other([fd = ring->wake_fd()] { ::eventfd_write(fd, 1); });
    until([&] { return seen.woken == round; });
    other.join();
  }
  settle();
  EXPECT_EQ(seen.woken, 50);
}

TEST_P(RingLifetime, WakesOnceForManyWrites) {
  for (int i = 0; i < 5; ++i) ::eventfd_write(ring->wake_fd(), 1);
  until([&] { return seen.woken == 1; });
  settle();
  EXPECT_EQ(seen.woken, 1);
}

TEST_P(RingLifetime, WakesAWaitWithoutDeadline) {
  std::thread other([fd = ring->wake_fd()] { ::eventfd_write(fd, 1); });
  while (seen.woken == 0)
    for (const IoEvent& event : ring->wait(Instant::max())) note(event);
  other.join();
  EXPECT_EQ(seen.woken, 1);
}

TEST_P(RingLifetime, WatchesAnEventfdOfItsCaller) {
  for (const int flags : {0, int{EFD_NONBLOCK}}) {
    const FileDescriptor own(::eventfd(0, EFD_CLOEXEC | flags));
    ASSERT_NO_FATAL_FAILURE(make({.wake_fd = own.get()}));
    if (!ring) return;
    seen = {};
    EXPECT_EQ(ring->wake_fd(), own.get());
    ::eventfd_write(own.get(), 1);
    until([&] { return seen.woken == 1; });
    ::eventfd_write(own.get(), 1);
    until([&] { return seen.woken == 2; });
    ring.reset();
    EXPECT_GE(::fcntl(own.get(), F_GETFD), 0) << "it was not the ring's to close";
  }
}

TEST_P(RingLifetime, TreatsVerbsOnStaleIdsAsNothing) {
  Ends first = socket_pair();
  const SocketId old = adopt(std::move(first.near));
  close_and_settle(old);
  Ends second = socket_pair();
  const SocketId fresh = adopt(std::move(second.near));
  ASSERT_EQ(fresh.index, old.index) << "the place is used again";
  for (const SocketId stale : {old, SocketId{}, SocketId{5'000, 1}}) {
    const std::string bytes = "never";
    const iovec vector{const_cast<char*>(bytes.data()), bytes.size()};
    ring->send(stale, view(bytes));
    ring->send(stale, std::span(&vector, 1));
    ring->watch_writable(stale);
    ring->pause_receive(stale);
    ring->resume_receive(stale);
    ring->shutdown_send(stale);
    ring->close(stale);
    EXPECT_TRUE(ring->flush_sends().empty());
  }
  write_all(second.far.get(), "fresh");
  until([&] { return seen.bytes[fresh] == "fresh"; });
  EXPECT_EQ(read_available(second.far.get()), "");
  EXPECT_EQ(seen.writable.size(), 0U);
}

TEST_P(RingLifetime, DeliversNothingForAClosedSocket) {
  Ends ends = socket_pair();
  const SocketId id = adopt(std::move(ends.near));
  poll();  // armed
  ring->watch_writable(id);
  write_all(ends.far.get(), "too late");
  ring->close(id);
  // Its place is taken while the old operations are still in flight, or right after.
  Ends next = socket_pair();
  const SocketId next_id = adopt(std::move(next.near));
  until([&] { return ring->sockets() == 1; });
  settle();
  EXPECT_EQ(seen.bytes.count(id), 0U);
  EXPECT_EQ(seen.writable.count(id), 0U);
  EXPECT_EQ(seen.closed.count(id), 0U);
  EXPECT_EQ(seen.bytes.count(next_id), 0U);
}

TEST_P(RingLifetime, GivesTheDescriptorBackWhenNothingIsInFlight) {
  Ends ends = socket_pair();
  const SocketId id = adopt(std::move(ends.near));
  poll();
  ring->watch_writable(id);
  ring->pause_receive(id);
  ring->resume_receive(id);
  close_and_settle(id);
  EXPECT_EQ(read_exactly(ends.far.get(), 1), "");
}

TEST_P(RingLifetime, EndsConnectionsWhenItIsDestroyed) {
  const Client a = client(listen_on_loopback());
  Ends ends = socket_pair();
  (void)adopt(std::move(ends.near));
  poll();
  ring.reset();
  EXPECT_EQ(read_exactly(a.fd.get(), 1), "");
  EXPECT_EQ(read_exactly(ends.far.get(), 1), "");
}

TEST_P(RingLifetime, LeaksNoDescriptorOverManyConnections) {
  const auto address = listen_on_loopback();
  client(address);
  const int before = open_descriptors();
  const std::uint32_t sockets = ring->sockets();
  constexpr int kRounds = 40;
  constexpr std::size_t kEach = 50;
  for (int round = 0; round < kRounds; ++round) {
    seen = {};
    std::vector<FileDescriptor> clients;
    for (std::size_t i = 0; i < kEach; ++i) clients.push_back(connect_to(address));
    until([&] { return seen.accepted.size() == kEach; });
    for (std::size_t i = 0; i < kEach; ++i) {
      write_all(clients[i].get(), "some bytes");
      if (i % 3 == 0) ring->watch_writable(seen.accepted[i]);
      if (i % 5 == 0) ring->pause_receive(seen.accepted[i]);
      if (i % 2 == 0) clients[i].reset();
    }
    for (const SocketId id : seen.accepted) ring->close(id);
    until([&] { return ring->sockets() == sockets; });
  }
  EXPECT_EQ(ring->counters().accepted, kRounds * kEach + 1);
  EXPECT_EQ(open_descriptors(), before);
}

// In a child process, because the limit is the process's: 0 if accepting pauses without a
// descriptor, does not spin, and goes on when there is one; else a number that says what went
// wrong.
int accept_without_descriptors(Backend backend) {
  auto ring = Ring::create({.backend = backend});
  auto bound = bind_listener(tcp_address("127.0.0.1", 0).value());
  if (!ring.ok() || !bound.ok()) return 1;
  if (!(*ring)->listen(std::move(bound->socket), 1).ok()) return 2;
  std::vector<FileDescriptor> clients;
  for (int i = 0; i < 3; ++i) clients.push_back(connect_to(bound->address));
  // No number above those in use may be given out; all below are taken.
  const int highest = ::dup(0);
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = static_cast<rlim_t>(highest) + 1;
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) return 3;
  std::vector<FileDescriptor> fillers;
  for (int fd = ::dup(0); fd >= 0; fd = ::dup(0)) fillers.emplace_back(fd);

  Instant retried_behind{};
  while ((*ring)->counters().accept_exhausted == 0) {
    retried_behind = SystemClock{}.now() + AcceptGate::kRetryAfter;
    if (!(*ring)->wait(soon(Millis{1'000})).empty()) return 4;
  }
  // Until the retry there is nothing to do: a spinning ring would come back hundreds of times.
  const auto waits = (*ring)->counters().waits;
  if (!(*ring)->wait(soon(Millis{20})).empty()) return 5;
  // On a machine that let us stand still for so long, it was tried again by right.
  if (SystemClock{}.now() < retried_behind) {
    if ((*ring)->counters().waits != waits + 1) return 6;
    if ((*ring)->counters().accept_exhausted != 1) return 7;
  }
  // The retry finds nothing better and pauses again.
  while ((*ring)->counters().accept_exhausted < 2)
    if (!(*ring)->wait(soon(Millis{1'000})).empty()) return 8;
  if ((*ring)->counters().waits > waits + 20) return 9;

  ::close(highest);
  fillers.clear();
  limit.rlim_cur = limit.rlim_max;
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) return 10;
  std::size_t accepted = 0;
  for (int tries = 0; accepted < clients.size() && tries < 100; ++tries)
    accepted += (*ring)->wait(soon(Millis{1'000})).size();
  return accepted == clients.size() ? 0 : 11;
}

TEST_P(RingLifetime, PausesAcceptingWithoutDescriptorsAndRecovers) {
  ring.reset();
  const pid_t child = ::fork();
  if (child == 0) ::_exit(accept_without_descriptors(GetParam()));
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST_P(RingLifetime, OverflowsItsCompletionQueueWithoutLoss) {
  ASSERT_NO_FATAL_FAILURE(
      make({.receive_buffer_bytes = 64, .events_max = 16, .submissions = 8, .completions = 16}));
  if (!ring) return;
  std::vector<Ends> all(400);
  std::vector<SocketId> ids;
  for (Ends& ends : all) {
    ends = socket_pair();
    ids.push_back(adopt(std::move(ends.near)));
  }
  poll();
  for (std::size_t i = 0; i < all.size(); ++i)
    write_all(all[i].far.get(), pattern(500, static_cast<unsigned>(i)));
  for (const SocketId id : ids) ring->watch_writable(id);
  // Every send fails and so leaves a completion, far more than the queue holds.
  for (const Ends& ends : all) ::shutdown(ends.far.get(), SHUT_RD);
  for (const SocketId id : ids) ring->send(id, view("refused"));
  EXPECT_EQ(ring->flush_sends().size(), all.size());
  until([&] {
    return std::ranges::all_of(
        ids, [&](SocketId id) { return seen.bytes[id].size() == 500 && seen.writable[id] == 1; });
  });
  for (std::size_t i = 0; i < ids.size(); ++i)
    ASSERT_EQ(seen.bytes[ids[i]], pattern(500, static_cast<unsigned>(i))) << i;
}

}  // namespace ringcast::io
