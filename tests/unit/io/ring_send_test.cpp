#include "unit/io/ring_fixture.hpp"

namespace ringcast::io {

// A socket that takes little before it is full.
Ends narrow_pair() {
  Ends ends = socket_pair();
  constexpr int kBytes = 4'096;
  EXPECT_EQ(::setsockopt(ends.near.get(), SOL_SOCKET, SO_SNDBUF, &kBytes, sizeof kBytes), 0);
  return ends;
}

// Drives `body` through the ring as a connection does: send, and after a short send wait for
// `writable` and go on; the other end reads all the time. Returns what arrived.
class RingSend : public RingTest {
 protected:
  enum class As { bytes, vectors };

  std::string transfer(SocketId id, int far, const std::string& body, As as) {
    std::string arrived;
    std::size_t sent = 0;
    while (sent < body.size()) {
      const std::string_view rest = std::string_view(body).substr(sent);
      if (as == As::bytes) {
        ring->send(id, view(rest));
      } else {
        send_in_pieces(id, rest);
      }
      const auto results = ring->flush_sends();
      if (results.empty()) break;
      EXPECT_EQ(results.size(), 1U);
      EXPECT_EQ(results[0].socket, id);
      EXPECT_TRUE(results[0].error == 0 || results[0].error == EAGAIN) << results[0].error;
      EXPECT_LT(results[0].sent, rest.size());
      sent += results[0].sent;
      ++short_sends;
      ring->watch_writable(id);
      const int before = seen.writable[id];
      until([&] {
        arrived += read_available(far);
        return seen.writable[id] > before;
      });
    }
    return arrived + read_exactly(far, body.size() - arrived.size());
  }

  // As a connection in several rooms sends: the array is gone before the flush.
  void send_in_pieces(SocketId id, std::string_view rest) {
    std::vector<iovec> pieces;
    std::size_t size = 1;
    while (!rest.empty() && pieces.size() < kVectorsMax) {
      const std::string_view piece = rest.substr(0, std::min(size, rest.size()));
      pieces.push_back({const_cast<char*>(piece.data()), piece.size()});
      rest.remove_prefix(piece.size());
      size = size * 3 % 7'001 + 1;
    }
    if (!rest.empty()) pieces.back().iov_len += rest.size();
    ring->send(id, std::span<const iovec>(pieces));
    std::ranges::fill(pieces, iovec{});
  }

  int short_sends = 0;
};
INSTANTIATE_TEST_SUITE_P(, RingSend, ::testing::Values(Backend::io_uring, Backend::epoll),
                         &name_of);

TEST_P(RingSend, ReportsNothingForWholeSends) {
  std::vector<Ends> all(1'000);
  std::vector<SocketId> ids;
  for (Ends& ends : all) {
    ends = socket_pair();
    ids.push_back(adopt(std::move(ends.near)));
  }
  const std::string shared = pattern(132);
  for (int round = 0; round < 3; ++round) {
    for (const SocketId id : ids) ring->send(id, view(shared));
    EXPECT_TRUE(ring->flush_sends().empty());
    // All are finished when flush_sends() returns: the bytes are there without waiting.
    for (const Ends& ends : all) ASSERT_EQ(read_available(ends.far.get()), shared);
  }
}

TEST_P(RingSend, ResumesAFullSocketWithoutLosingAnOctet) {
  Ends ends = narrow_pair();
  const SocketId id = adopt(std::move(ends.near));
  const std::string body = pattern(3'000'000);
  EXPECT_EQ(transfer(id, ends.far.get(), body, As::bytes), body);
  EXPECT_GT(short_sends, 2);
}

TEST_P(RingSend, ResumesVectorsWithoutLosingAnOctet) {
  Ends ends = narrow_pair();
  const SocketId id = adopt(std::move(ends.near));
  const std::string body = pattern(3'000'000, 2);
  EXPECT_EQ(transfer(id, ends.far.get(), body, As::vectors), body);
  EXPECT_GT(short_sends, 2);
}

TEST_P(RingSend, ResumesATcpSocketWithoutLosingAnOctet) {
  const Client a = client(listen_on_loopback());
  const std::string body = pattern(20'000'000, 3);
  EXPECT_EQ(transfer(a.id, a.fd.get(), body, As::bytes), body);
  EXPECT_GT(short_sends, 0);
}

TEST_P(RingSend, SaysHowMuchAFullSocketTook) {
  Ends ends = narrow_pair();
  const SocketId id = adopt(std::move(ends.near));
  const std::string body = pattern(1'000'000);
  ring->send(id, view(body));
  auto results = ring->flush_sends();
  ASSERT_EQ(results.size(), 1U);
  const std::size_t sent = results[0].sent;
  EXPECT_GT(sent, 0U);
  EXPECT_LT(sent, body.size());

  ring->send(id, view(body));
  results = ring->flush_sends();
  ASSERT_EQ(results.size(), 1U);
  EXPECT_EQ(results[0].sent, 0U);
  EXPECT_EQ(results[0].error, EAGAIN);
  EXPECT_EQ(ring->counters().sends_incomplete, 2U);
  EXPECT_EQ(read_available(ends.far.get()), body.substr(0, sent));
}

TEST_P(RingSend, ReportsOnlyTheFullOnesAmongMany) {
  std::vector<Ends> all(700);
  std::vector<SocketId> ids;
  for (std::size_t i = 0; i < all.size(); ++i) {
    all[i] = i % 7 == 0 ? narrow_pair() : socket_pair();
    ids.push_back(adopt(std::move(all[i].near)));
  }
  const std::string body = pattern(20'000);
  for (const SocketId id : ids) ring->send(id, view(body));
  std::map<SocketId, std::size_t> reported;
  for (const SendResult& result : ring->flush_sends()) reported[result.socket] = result.sent;
  ASSERT_EQ(reported.size(), 100U);
  for (std::size_t i = 0; i < all.size(); ++i) {
    const bool full = reported.contains(ids[i]);
    ASSERT_EQ(full, i % 7 == 0) << i;
    const std::string arrived = read_available(all[i].far.get());
    ASSERT_EQ(arrived, full ? body.substr(0, reported[ids[i]]) : body) << i;
  }
}

TEST_P(RingSend, SendsAsManyVectorsAsTheKernelTakes) {
  Ends ends = socket_pair();
  const SocketId id = adopt(std::move(ends.near));
  std::string body = pattern(kVectorsMax);
  std::vector<iovec> one_octet_each;
  for (char& c : body) one_octet_each.push_back({&c, 1});
  ring->send(id, std::span<const iovec>(one_octet_each));
  EXPECT_TRUE(ring->flush_sends().empty());
  EXPECT_EQ(read_available(ends.far.get()), body);
}

TEST_P(RingSend, SendsMoreVectorsThanASliceHolds) {
  std::vector<Ends> all(200);
  std::vector<SocketId> ids;
  for (Ends& ends : all) {
    ends = socket_pair();
    ids.push_back(adopt(std::move(ends.near)));
  }
  std::string body = pattern(100);
  for (const SocketId id : ids) {
    std::vector<iovec> pieces;
    for (char& c : body) pieces.push_back({&c, 1});
    ring->send(id, std::span<const iovec>(pieces));
  }
  EXPECT_TRUE(ring->flush_sends().empty());
  for (const Ends& ends : all) ASSERT_EQ(read_available(ends.far.get()), body);
}

TEST_P(RingSend, ReportsASendToAGonePeer) {
  Ends ends = socket_pair();
  const SocketId id = adopt(std::move(ends.near));
  ends.far.reset();
  ring->send(id, view("anybody?"));
  const auto results = ring->flush_sends();
  ASSERT_EQ(results.size(), 1U);
  EXPECT_EQ(results[0].sent, 0U);
  EXPECT_EQ(results[0].error, EPIPE);
}

TEST_P(RingSend, ClearsItsResultsWithTheNextFlush) {
  Ends full = narrow_pair();
  Ends other = socket_pair();
  const SocketId full_id = adopt(std::move(full.near));
  const SocketId other_id = adopt(std::move(other.near));
  const std::string body = pattern(1'000'000);
  ring->send(full_id, view(body));
  EXPECT_EQ(ring->flush_sends().size(), 1U);
  EXPECT_TRUE(ring->flush_sends().empty());
  ring->send(full_id, view("more"));
  EXPECT_EQ(ring->flush_sends().size(), 1U);
  ring->send(other_id, view("whole"));
  EXPECT_TRUE(ring->flush_sends().empty());
}

TEST_P(RingSend, KeepsWhatIsReceivedDuringAFlush) {
  Ends ends = narrow_pair();
  const SocketId id = adopt(std::move(ends.near));
  poll();
  write_all(ends.far.get(), "meanwhile");
  const std::string body = pattern(1'000'000);
  ring->send(id, view(body));
  EXPECT_EQ(ring->flush_sends().size(), 1U);
  until([&] { return seen.bytes[id] == "meanwhile"; });
}

TEST_P(RingSend, SaysWritableOnceForEachWatch) {
  Ends ends = socket_pair();
  const SocketId id = adopt(std::move(ends.near));
  ring->watch_writable(id);
  ring->watch_writable(id);
  until([&] { return seen.writable[id] == 1; });
  settle();
  EXPECT_EQ(seen.writable[id], 1);
  ring->watch_writable(id);
  until([&] { return seen.writable[id] == 2; });
}

TEST_P(RingSend, SaysWritableWhenThePeerIsGone) {
  Ends ends = narrow_pair();
  const SocketId id = adopt(std::move(ends.near));
  const std::string body = pattern(1'000'000);
  ring->send(id, view(body));
  EXPECT_EQ(ring->flush_sends().size(), 1U);
  ring->watch_writable(id);
  ends.far.reset();
  until([&] { return seen.writable[id] == 1; });
  ring->send(id, view("x"));
  EXPECT_EQ(ring->flush_sends().size(), 1U);
}

TEST_P(RingSend, HalfClosesBehindWhatWasSent) {
  Ends ends = socket_pair();
  const SocketId id = adopt(std::move(ends.near));
  ring->send(id, view("goodbye"));
  ring->shutdown_send(id);
  EXPECT_TRUE(ring->flush_sends().empty());
  EXPECT_EQ(read_exactly(ends.far.get(), 100), "goodbye");
  write_all(ends.far.get(), "and you");
  until([&] { return seen.bytes[id] == "and you"; });
}

TEST_P(RingSend, SendsWhatWasQueuedBeforeTheClose) {
  Ends ends = socket_pair();
  const SocketId id = adopt(std::move(ends.near));
  ring->send(id, view("last words"));
  ring->close(id);
  EXPECT_TRUE(ring->flush_sends().empty());
  poll();
  EXPECT_EQ(read_exactly(ends.far.get(), 100), "last words");
}

TEST_P(RingSend, StopsAtASecondSendBeforeTheFlush) {
  Ends ends = socket_pair();
  const SocketId id = adopt(std::move(ends.near));
  const auto twice = [&] {
    ring->send(id, view("one"));
    ring->send(id, view("two"));
  };
  EXPECT_DEATH(twice(), "one send a socket");
}

TEST_P(RingSend, StopsAtAWaitBeforeTheFlush) {
  Ends ends = socket_pair();
  const SocketId id = adopt(std::move(ends.near));
  const auto unflushed = [&] {
    ring->send(id, view("one"));
    (void)ring->wait(Instant::min());
  };
  EXPECT_DEATH(unflushed(), "flush_sends");
}

}  // namespace ringcast::io
