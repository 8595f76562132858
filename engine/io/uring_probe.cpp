#include "io/uring_probe.hpp"

#include <fmt/format.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include "io/file_descriptor.hpp"

namespace ringcast::io {

namespace {

constexpr OperationTag kReceiveTag{Operation::probe, {1, 1}};
constexpr OperationTag kSendTag{Operation::probe, {2, 1}};

struct Pair {
  FileDescriptor near;
  FileDescriptor far;
};

Result<Pair> make_pair() {
  std::array<int, 2> fds{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.data()) != 0)
    return {Errc::unavailable, fmt::format("socketpair: {}", std::strerror(errno))};
  return Pair{FileDescriptor(fds[0]), FileDescriptor(fds[1])};
}

// The next completion of `tag`, or nothing within a time that no working kernel needs.
std::optional<Completion> await(UringQueue& queue, OperationTag tag) {
  constexpr int kTriesMax = 20;
  for (int tries = 0; tries < kTriesMax; ++tries) {
    queue.wait(Millis{50});
    for (const Completion& completion : queue.take(1))
      if (completion.tag.pack() == tag.pack()) return completion;
  }
  return std::nullopt;
}

Result<void> try_multishot_receive(UringQueue& queue, BufferRing& buffers) {
  auto pair = make_pair();
  if (!pair) return pair.error();
  io_uring_sqe& entry = queue.next_entry();
  io_uring_prep_recv_multishot(&entry, pair->near.get(), nullptr, 0, 0);
  entry.flags |= IOSQE_BUFFER_SELECT;
  entry.buf_group = BufferRing::kGroup;
  entry.user_data = kReceiveTag.pack();
  queue.submit();
  constexpr std::string_view kHello = "hello";
  if (::write(pair->far.get(), kHello.data(), kHello.size()) != std::ssize(kHello))
    return {Errc::unavailable, "a socket pair takes no bytes"};
  const auto got = await(queue, kReceiveTag);
  if (!got || got->result < 0)
    return {Errc::unavailable, fmt::format("io_uring: multishot receive (Linux 6.0): {}",
                                           got ? std::strerror(-got->result) : "no completion")};
  const bool right =
      (got->flags & IORING_CQE_F_BUFFER) != 0 && got->result == static_cast<int>(kHello.size()) &&
      std::memcmp(buffers.lend(static_cast<std::uint16_t>(got->flags >> IORING_CQE_BUFFER_SHIFT)),
                  kHello.data(), kHello.size()) == 0;
  if (got->more()) {
    queue.cancel(kReceiveTag);
    if (const auto last = await(queue, kReceiveTag); !last || last->more())
      return {Errc::unavailable, "io_uring: a multishot receive that can not be cancelled"};
  }
  buffers.recycle(BufferRing::Shortage::no, Instant::min());
  if (!right) return {Errc::unavailable, "io_uring: multishot receive without its buffer"};
  return {};
}

// Fills a socket through the ring with the flags of every send. True if the completion of the short
// send carries the number of bytes that the other end then finds.
bool reports_short_sends(UringQueue& queue) {
  auto pair = make_pair();
  if (!pair) return false;
  constexpr int kSmall = 4'096;
  (void)::setsockopt(pair->near.get(), SOL_SOCKET, SO_SNDBUF, &kSmall, sizeof kSmall);
  const std::vector<char> bytes(1U << 20, 'x');
  io_uring_sqe& entry = queue.next_entry();
  io_uring_prep_send(&entry, pair->near.get(), bytes.data(), bytes.size(), UringSender::kFlags);
  entry.flags |= IOSQE_CQE_SKIP_SUCCESS;
  entry.user_data = kSendTag.pack();
  queue.submit();
  queue.poll();
  int reported = 0;
  for (const Completion& completion : queue.take(1))
    if (completion.tag.pack() == kSendTag.pack()) reported = completion.result;
  int arrived = 0;
  std::vector<char> sink(1U << 16);
  for (;;) {
    const auto got = ::recv(pair->far.get(), sink.data(), sink.size(), MSG_DONTWAIT);
    if (got <= 0) break;
    arrived += static_cast<int>(got);
  }
  // A send that had waited for room in the kernel would by now have sent more, or still hold
  // `bytes`: closing both ends finishes it before they go.
  pair->far.reset();
  (void)::shutdown(pair->near.get(), SHUT_RDWR);
  queue.wait(Millis{0});
  (void)queue.take(4);
  return reported > 0 && reported < static_cast<int>(bytes.size()) && reported == arrived;
}

}  // namespace

Result<UringAbilities> probe_uring(UringQueue& queue, BufferRing& buffers) {
  if (auto receive = try_multishot_receive(queue, buffers); !receive) return receive.error();
  UringAbilities abilities;
  if (reports_short_sends(queue)) abilities.successes = UringSender::Successes::silent;
  return abilities;
}

}  // namespace ringcast::io
