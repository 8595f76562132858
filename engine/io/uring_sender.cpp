#include "io/uring_sender.hpp"

#include <algorithm>
#include <cerrno>

namespace ringcast::io {

namespace {
// Linux cuts longer calls short (MAX_RW_COUNT), which is no error: the rest is sent after
// `writable`.
constexpr std::size_t kSendBytesMax = 0x7fff'f000;
}  // namespace

void UringSender::add(SocketId socket, int fd, std::span<const char> bytes) {
  io_uring_sqe& entry = enqueue(socket, bytes.size());
  io_uring_prep_send(&entry, fd, bytes.data(), std::min(bytes.size(), kSendBytesMax), kFlags);
  finish(entry);
}

void UringSender::add(SocketId socket, int fd, std::span<const iovec> vectors) {
  ensure(vectors.size() <= kVectorsMax, "a send of at most kVectorsMax vectors");
  if (vectors_count_ + vectors.size() > kVectorsMax) submit();
  std::size_t bytes = 0;
  iovec* const first = vectors_.data() + vectors_count_;
  for (const iovec& vector : vectors) {
    vectors_[vectors_count_++] = vector;
    bytes += vector.iov_len;
  }
  io_uring_sqe& entry = enqueue(socket, bytes);
  msghdr& message = messages_[count_ - 1];
  message.msg_iov = first;
  message.msg_iovlen = vectors.size();
  io_uring_prep_sendmsg(&entry, fd, &message, kFlags);
  finish(entry);
}

io_uring_sqe& UringSender::enqueue(SocketId socket, std::size_t bytes) {
  if (!busy_) results_.clear();
  busy_ = true;
  slice_[count_++] = {socket, bytes};
  return queue_.next_entry();
}

void UringSender::finish(io_uring_sqe& entry) {
  const auto position = static_cast<std::uint32_t>(count_ - 1);
  entry.user_data = OperationTag{Operation::send, {position, 0}}.pack();
  // Never IOSQE_ASYNC, IO_LINK or IO_DRAIN on a send: it would not be finished at submission.
  if (successes_ == Successes::silent)
    entry.flags |= IOSQE_CQE_SKIP_SUCCESS;
  else
    ++unreported_;
  if (count_ == kSliceMax) submit();
}

void UringSender::submit() {
  if (count_ == 0) return;
  queue_.submit();
  for (;;) {
    for (const Completion& completion : queue_.take_sends()) note(completion);
    if (unreported_ == 0) break;
    queue_.wait(std::nullopt);
  }
  count_ = 0;
  vectors_count_ = 0;
}

void UringSender::note(const Completion& completion) {
  if (successes_ == Successes::reported) --unreported_;
  ensure(completion.tag.subject.index < count_, "a completion of this slice's sends");
  const Queued& queued = slice_[completion.tag.subject.index];
  if (completion.result >= 0 && static_cast<std::size_t>(completion.result) >= queued.bytes) return;
  if (completion.result >= 0)
    results_.push_back({queued.socket, static_cast<std::size_t>(completion.result), 0});
  else
    results_.push_back({queued.socket, 0, -completion.result});
}

std::span<const SendResult> UringSender::flush() {
  submit();
  if (!busy_) results_.clear();
  busy_ = false;
  return results_;
}

}  // namespace ringcast::io
