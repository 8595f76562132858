#include "io/buffer_pool.hpp"
#include "unit/io/ring_fixture.hpp"

namespace ringcast::io {

using RingReceive = RingTest;
INSTANTIATE_TEST_SUITE_P(, RingReceive, ::testing::Values(Backend::io_uring, Backend::epoll),
                         &name_of);

TEST_P(RingReceive, DeliversMoreThanABufferInOrder) {
  const Client a = client(listen_on_loopback());
  const std::string body = pattern(60'000);
  write_all(a.fd.get(), body);
  until([&] { return seen.bytes[a.id].size() == body.size(); });
  EXPECT_EQ(seen.bytes[a.id], body);
}

TEST_P(RingReceive, KeepsReadablePaddingBehindWritableBytes) {
  Ends ends = socket_pair();
  const SocketId id = adopt(std::move(ends.near));
  write_all(ends.far.get(), pattern(20'000));
  std::size_t received = 0;
  const Instant guard = soon(Millis{20'000});
  while (received < 20'000) {
    ASSERT_LT(SystemClock{}.now(), guard);
    for (IoEvent& event : ring->wait(soon(Millis{1'000}))) {
      ASSERT_EQ(event.socket, id);
      received += event.bytes.size();
      // As the parsers do: unmask in place, read beyond the end.
      for (char& c : event.bytes) c = static_cast<char>(c ^ 0x55);
      volatile char sink = 0;
      for (std::size_t i = 0; i < kReceivePadding; ++i)
        sink = event.bytes.data()[event.bytes.size() + i];
      (void)sink;
    }
  }
}

TEST_P(RingReceive, TellsTheEndFromAReset) {
  const auto address = listen_on_loopback();
  Client ending = client(address);
  Client resetting = client(address);
  write_all(ending.fd.get(), "the end");
  ending.fd.reset();
  until([&] { return seen.closed[ending.id] == 1; });
  EXPECT_EQ(seen.bytes[ending.id], "the end");
  reset_connection(std::move(resetting.fd));
  until([&] { return seen.error[resetting.id] != 0; });
  EXPECT_EQ(seen.error[resetting.id], ECONNRESET);
  EXPECT_EQ(seen.closed[resetting.id], 0);
}

TEST_P(RingReceive, StaysUsableAfterAHalfClose) {
  Ends ends = socket_pair();
  const SocketId id = adopt(std::move(ends.near));
  ::shutdown(ends.far.get(), SHUT_WR);
  until([&] { return seen.closed[id] == 1; });
  ring->send(id, view("answer"));
  EXPECT_TRUE(ring->flush_sends().empty());
  EXPECT_EQ(read_exactly(ends.far.get(), 6), "answer");
}

TEST_P(RingReceive, SaysTheEndOnceAndThenIsStill) {
  Ends ends = socket_pair();
  const SocketId id = adopt(std::move(ends.near));
  ends.far.reset();
  until([&] { return seen.closed[id] == 1; });
  ring->pause_receive(id);
  ring->resume_receive(id);
  settle();
  const auto waits = ring->counters().waits;
  const Instant deadline = soon(Millis{30});
  while (SystemClock{}.now() < deadline)
    for (const IoEvent& event : ring->wait(deadline)) note(event);
  EXPECT_LE(ring->counters().waits, waits + kInterruptionsMax);
  EXPECT_EQ(seen.closed[id], 1);
  EXPECT_EQ(seen.error.size(), 0U);
}

TEST_P(RingReceive, DoesNotReadAPausedSocket) {
  Ends ends = socket_pair();
  const SocketId id = adopt(std::move(ends.near));
  write_all(ends.far.get(), "before ");
  until([&] { return seen.bytes[id] == "before "; });
  ring->pause_receive(id);
  ring->pause_receive(id);
  write_all(ends.far.get(), "during ");
  settle();
  EXPECT_EQ(seen.bytes[id], "before ");
  ring->resume_receive(id);
  until([&] { return seen.bytes[id] == "before during "; });
}

TEST_P(RingReceive, LeavesTheBytesOfAPausedSocketToTheKernel) {
  const Client a = client(listen_on_loopback());
  ring->pause_receive(a.id);
  settle();
  // The peer meets a full socket: that is what back-pressure means.
  const std::string part(100'000, 'x');
  std::size_t pushed = 0;
  for (;;) {
    const auto sent = ::send(a.fd.get(), part.data(), part.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent > 0)
      pushed += static_cast<std::size_t>(sent);
    else if (errno == EAGAIN)
      break;
    poll();
  }
  EXPECT_EQ(seen.bytes[a.id].size(), 0U);
  ring->resume_receive(a.id);
  until([&] { return seen.bytes[a.id].size() == pushed; });
}

TEST_P(RingReceive, KeepsTheOrderOverManyPauses) {
  const Client a = client(listen_on_loopback());
  const std::string body = pattern(2'000'000);
  std::size_t written = 0;
  std::uint64_t step = 0;
  const Instant guard = soon(Millis{30'000});
  while (seen.bytes[a.id].size() < body.size()) {
    ASSERT_LT(SystemClock{}.now(), guard);
    const auto sent = ::send(a.fd.get(), body.data() + written,
                             std::min<std::size_t>(body.size() - written, 30'000), MSG_DONTWAIT);
    if (sent > 0) written += static_cast<std::size_t>(sent);
    const std::size_t before = seen.bytes[a.id].size();
    if (step % 3 == 1) ring->pause_receive(a.id);
    poll();
    if (step % 3 == 1) {
      ASSERT_EQ(seen.bytes[a.id].size(), before) << "received while paused";
    }
    if (step % 3 == 2) ring->resume_receive(a.id);
    ++step;
  }
  EXPECT_EQ(seen.bytes[a.id], body);
}

TEST_P(RingReceive, SaysTheEndOfAPausedSocketAfterItsBytes) {
  Ends ends = socket_pair();
  const SocketId id = adopt(std::move(ends.near));
  poll();
  write_all(ends.far.get(), "last");
  ends.far.reset();
  ring->pause_receive(id);
  settle();
  EXPECT_EQ(seen.closed[id], 0);
  EXPECT_EQ(seen.bytes[id], "");
  ring->resume_receive(id);
  until([&] { return seen.closed[id] == 1; });
  EXPECT_EQ(seen.bytes[id], "last");
}

TEST_P(RingReceive, KeepsWhatTheKernelHadHandedOverBeforeThePause) {
  ASSERT_NO_FATAL_FAILURE(make({.receive_buffer_bytes = 64, .events_max = 4}));
  if (!ring) return;
  Ends ends = socket_pair();
  const SocketId id = adopt(std::move(ends.near));
  poll();
  // Completed in one go, far more than one wait() may report.
  const std::string body = pattern(1'900);
  write_all(ends.far.get(), body);
  ends.far.reset();
  until([&] { return !seen.bytes[id].empty(); });
  const std::size_t before = seen.bytes[id].size();
  ASSERT_LT(before, body.size());
  for (int pauses = 0; pauses < 3; ++pauses) {
    ring->pause_receive(id);
    settle();
    ASSERT_EQ(seen.bytes[id].size(), before);
    ASSERT_EQ(seen.closed[id], 0);
    ring->resume_receive(id);
    if (pauses == 2) break;
    ring->pause_receive(id);
  }
  until([&] { return seen.closed[id] == 1; });
  EXPECT_EQ(seen.bytes[id], body);
}

TEST_P(RingReceive, SaysTheResetOfAPausedSocketAtTheLatestAfterwards) {
  Client a = client(listen_on_loopback());
  ring->pause_receive(a.id);
  settle();
  reset_connection(std::move(a.fd));
  settle();
  ring->resume_receive(a.id);
  until([&] { return seen.error[a.id] == ECONNRESET; });
  const int events = seen.events;
  poll();
  poll();
  EXPECT_EQ(seen.events, events);
}

TEST_P(RingReceive, ServesMoreReadySocketsThanItHasBuffers) {
  ASSERT_NO_FATAL_FAILURE(
      make({.receive_buffer_bytes = 256, .receive_buffers_min = 4, .receive_buffers_max = 16}));
  if (!ring) return;
  std::vector<Ends> all(300);
  std::vector<SocketId> ids;
  for (std::size_t i = 0; i < all.size(); ++i) {
    all[i] = socket_pair();
    write_all(all[i].far.get(), pattern(2'000, static_cast<unsigned>(i)));
    ids.push_back(adopt(std::move(all[i].near)));
  }
  until([&] {
    return std::ranges::all_of(ids, [&](SocketId id) { return seen.bytes[id].size() == 2'000; });
  });
  for (std::size_t i = 0; i < ids.size(); ++i)
    ASSERT_EQ(seen.bytes[ids[i]], pattern(2'000, static_cast<unsigned>(i))) << i;
  EXPECT_GT(ring->counters().buffers_exhausted, 0U);
  // And again, from every socket's armed state.
  for (const Ends& ends : all) write_all(ends.far.get(), "again");
  until([&] {
    return std::ranges::all_of(ids, [&](SocketId id) { return seen.bytes[id].size() == 2'005; });
  });
}

TEST_P(RingReceive, GivesBuffersBackAfterABurstAndServesTheNextOne) {
  ASSERT_NO_FATAL_FAILURE(
      make({.receive_buffer_bytes = 256, .receive_buffers_min = 4, .receive_buffers_max = 512}));
  if (!ring) return;
  std::vector<Ends> all(300);
  std::vector<SocketId> ids;
  for (Ends& ends : all) {
    ends = socket_pair();
    ids.push_back(adopt(std::move(ends.near)));
  }
  std::size_t expected = 0;
  const auto burst = [&] {
    for (const Ends& ends : all) write_all(ends.far.get(), "burst");
    expected += 5;
    until([&] {
      return std::ranges::all_of(ids,
                                 [&](SocketId id) { return seen.bytes[id].size() == expected; });
    });
  };
  const auto exhausted_by_a_burst = [&] {
    const std::uint64_t before = ring->counters().buffers_exhausted;
    burst();
    return ring->counters().buffers_exhausted != before;
  };
  EXPECT_TRUE(exhausted_by_a_burst()) << "it has too few at first";
  const auto calm = [&] {
    for (const Instant end = SystemClock{}.now() + 2 * BufferPool::kCalm;
         SystemClock{}.now() < end;)
      std::ignore = ring->wait(end);
  };
  const std::uint64_t waits = ring->counters().waits;
  calm();
  EXPECT_LE(ring->counters().waits - waits, 3U) << "it wakes to give them back, once";
  EXPECT_TRUE(exhausted_by_a_burst()) << "it has given them back";
  calm();
  burst();
}

TEST_P(RingReceive, LetsOneBusySocketNotStarveTheOthers) {
  Ends busy = socket_pair();
  const SocketId busy_id = adopt(std::move(busy.near));
  Ends quiet = socket_pair();
  const SocketId quiet_id = adopt(std::move(quiet.near));
  const std::string flood(100'000, 'x');
  bool asked = false;
  for (int round = 0; round < 10'000 && seen.bytes[quiet_id].empty(); ++round) {
    (void)::send(busy.far.get(), flood.data(), flood.size(), MSG_DONTWAIT);
    if (round == 10) write_all(quiet.far.get(), "may I?");
    asked = asked || round == 10;
    poll();
  }
  EXPECT_TRUE(asked);
  EXPECT_EQ(seen.bytes[quiet_id], "may I?");
  EXPECT_GT(seen.bytes[busy_id].size(), flood.size());
}

}  // namespace ringcast::io
