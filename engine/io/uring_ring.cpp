#include "io/uring_ring.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/log.hpp"
#include "io/socket_options.hpp"
#include "io/uring_probe.hpp"

namespace ringcast::io {

namespace {

Instant steady_now() { return SystemClock{}.now(); }

OperationTag listener_tag(std::size_t index) {
  return {Operation::accept, {static_cast<std::uint32_t>(index), 1}};
}

constexpr OperationTag kWakeTag{Operation::wake, {0, 1}};

}  // namespace

UringRing::UringRing(const RingOptions& options)
    : options_(options), buffers_(options), sockets_(options.sockets_max) {
  ensure(options.sockets_max <= OperationTag::kIndexMax, "sockets_max fits into an operation tag");
}

Result<std::unique_ptr<Ring>> UringRing::create(const RingOptions& options) {
  std::unique_ptr<UringRing> ring(new UringRing(options));
  if (auto started = ring->start(); !started) return started.error();
  return std::unique_ptr<Ring>(std::move(ring));
}

Result<void> UringRing::start() {
  auto queue = UringQueue::create(options_);
  if (!queue) return queue.error();
  queue_ = std::move(queue).value();
  if (auto attached = buffers_.attach(queue_->raw()); !attached) return attached;
  const auto abilities = probe_uring(*queue_, buffers_);
  if (!abilities) return abilities.error();
  const bool silent = abilities->successes == UringSender::Successes::silent;
  setup_ = fmt::format(
      "{}, multishot receive, provided buffers, {}", queue_->setup(),
      silent ? "silent sends" : "a completion for every send (short sends are not reported else)");
  sender_ = std::make_unique<UringSender>(*queue_, abilities->successes);
  wake_fd_ = options_.wake_fd;
  if (wake_fd_ < 0) {
    own_wake_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!own_wake_) return {Errc::unavailable, fmt::format("eventfd: {}", std::strerror(errno))};
    wake_fd_ = own_wake_.get();
  }
  return {};
}

UringRing::~UringRing() {
  if (!sender_) return;  // start() failed: nothing was armed
  // A process that ends with armed operations keeps its port for milliseconds after it is gone, so
  // everything is cancelled and waited for here. The bound is for a kernel that does not answer.
  (void)flush_sends();
  close_listeners();
  sockets_.for_each([this](SocketId id, const Socket&) { close(id); });
  if (watching_wake_) queue_->cancel(kWakeTag);
  const auto accepting = [](const Listener& listener) { return listener.accepting; };
  constexpr int kRoundsMax = 200;
  for (int round = 0; round < kRoundsMax; ++round) {
    if (!watching_wake_ && sockets_.size() == 0 && std::ranges::none_of(listeners_, accepting))
      break;
    buffers_.recycle(BufferRing::Shortage::no, steady_now());
    queue_->wait(Millis{50});
    for (const Completion& completion : queue_->take(options_.events_max)) handle(completion);
    // What the listener had accepted meanwhile.
    for (const IoEvent& event : events_)
      if (event.kind == EventKind::accepted) close(event.socket);
    events_.clear();
  }
}

Result<void> UringRing::listen(FileDescriptor socket, std::uint32_t tag) {
  ensure(bool{socket}, "a descriptor to listen on");
  set_connection_options(socket.get());
  // With O_NONBLOCK some kernels answer EAGAIN where they should wait.
  set_blocking(socket.get(), Blocking::yes);
  listeners_.push_back({std::move(socket), tag});
  return {};
}

Result<SocketId> UringRing::adopt(FileDescriptor socket) {
  set_connection_options(socket.get());
  const SocketId id = insert(std::move(socket));
  if (!id)
    return {Errc::unavailable, fmt::format("sockets_max ({}) reached", options_.sockets_max)};
  return id;
}

Result<SocketAddress> UringRing::peer(SocketId id) {
  const Socket* socket = open_socket(id);
  if (socket == nullptr) return {Errc::not_found, "a socket that is closed"};
  return peer_address(socket->fd.get());
}

SocketId UringRing::insert(FileDescriptor fd) {
  const SocketId id = sockets_.emplace(Socket{.fd = std::move(fd)});
  if (id) to_arm_.push_back(id);
  return id;
}

UringRing::Socket* UringRing::open_socket(SocketId id) {
  Socket* socket = sockets_.find(id);
  return socket != nullptr && !socket->closing ? socket : nullptr;
}

std::span<IoEvent> UringRing::wait(Instant deadline) {
  ensure(!sender_->busy(), "wait() after flush_sends()");
  events_.clear();
  lent_.clear();
  const Instant now = steady_now();
  buffers_.recycle(starved_ ? BufferRing::Shortage::yes : BufferRing::Shortage::no, now);
  starved_ = false;
  if (now >= shrink_at() && queue_->is_drained()) buffers_.shrink(queue_->raw());
  gate_.tick(now);
  arm();
  emit_held();
  const Instant until = std::min({deadline, gate_.retry_at(), shrink_at()});
  if (!events_.empty() || queue_->has_completions() || until <= now) {
    queue_->poll();
  } else {
    ++counters_.waits;
    queue_->wait(until == Instant::max() ? std::nullopt : std::optional<Nanos>(until - now));
  }
  for (const Completion& completion : queue_->take(options_.events_max)) handle(completion);
  return events_;
}

// Where the kernel may fill a buffer at any time, they stay.
Instant UringRing::shrink_at() const {
  return queue_->is_deferred() ? buffers_.shrink_at() : Instant::max();
}

// Everything that should be armed and is not; submitted by the wait that follows.
void UringRing::arm() {
  for (std::size_t index = 0; index < listeners_.size(); ++index) {
    Listener& listener = listeners_[index];
    if (!listener.fd || listener.accepting || listener.broken || !gate_.open()) continue;
    io_uring_sqe& entry = queue_->next_entry();
    io_uring_prep_multishot_accept(&entry, listener.fd.get(), nullptr, nullptr, SOCK_CLOEXEC);
    entry.user_data = listener_tag(index).pack();
    listener.accepting = true;
  }
  if (!watching_wake_) {
    io_uring_sqe& entry = queue_->next_entry();
    io_uring_prep_poll_add(&entry, wake_fd_, POLLIN);
    entry.user_data = kWakeTag.pack();
    watching_wake_ = true;
  }
  for (const SocketId id : to_arm_)
    if (Socket* socket = open_socket(id)) arm_receive(id, *socket);
  to_arm_.clear();
}

void UringRing::arm_receive(SocketId id, Socket& socket) {
  if (socket.receiving || socket.paused || socket.ended) return;
  io_uring_sqe& entry = queue_->next_entry();
  io_uring_prep_recv_multishot(&entry, socket.fd.get(), nullptr, 0, 0);
  entry.flags |= IOSQE_BUFFER_SELECT;
  entry.buf_group = BufferRing::kGroup;
  entry.user_data = OperationTag{Operation::receive, id}.pack();
  socket.receiving = true;
}

void UringRing::cancel_receive(SocketId id, Socket& socket) {
  if (!socket.receiving || socket.receive_cancelled) return;
  queue_->cancel({Operation::receive, id});
  socket.receive_cancelled = true;
}

void UringRing::emit_held() {
  std::erase_if(held_, [this](Held& held) {
    const Socket* socket = open_socket(held.event.socket);
    if (socket == nullptr) return true;
    if (socket->paused) return false;
    held.event.bytes = std::span(held.bytes).first(held.event.bytes.size());
    events_.push_back(held.event);
    lent_.push_back(std::move(held));
    return true;
  });
}

void UringRing::handle(const Completion& completion) {
  switch (completion.tag.operation) {
    case Operation::accept:
      return on_accept(completion);
    case Operation::receive:
      return on_receive(completion);
    case Operation::writable:
      return on_writable(completion);
    case Operation::wake:
      return on_wake(completion);
    case Operation::cancel:  // there was nothing to cancel any more
    case Operation::probe:
      return;
    case Operation::send:
      ensure(false, "completions of sends are taken by their flush");
  }
}

void UringRing::on_accept(const Completion& completion) {
  Listener& listener = listeners_[completion.tag.subject.index];
  if (!completion.more()) {
    listener.accepting = false;
    listener.cancelled = false;
    if (listener.closing) listener.fd.reset();
  }
  if (completion.result >= 0) {
    on_connection(listener, completion.result);
  } else if (completion.result != -ECANCELED) {
    switch (classify_accept_error(-completion.result)) {
      case AcceptFailure::passing:
        break;
      case AcceptFailure::exhausted:
        ++counters_.accept_exhausted;
        gate_.exhausted(steady_now());
        break;
      case AcceptFailure::broken:
        listener.broken = true;
        log::error("accepting on listener {} has ended: {}", listener.tag,
                   std::strerror(-completion.result));
        break;
    }
  }
}

void UringRing::on_connection(const Listener& listener, int fd) {
  const SocketId id = insert(FileDescriptor(fd));
  if (!id) {
    ++counters_.refused;
    return;
  }
  ++counters_.accepted;
  events_.push_back({.kind = EventKind::accepted, .socket = id, .listener = listener.tag});
}

void UringRing::on_receive(const Completion& completion) {
  const SocketId id = completion.tag.subject;
  char* buffer = nullptr;
  if ((completion.flags & IORING_CQE_F_BUFFER) != 0)
    buffer = buffers_.lend(static_cast<std::uint16_t>(completion.flags >> IORING_CQE_BUFFER_SHIFT));
  Socket* const socket = sockets_.find(id);
  ensure(socket != nullptr, "a socket lives until its last completion");
  if (!completion.more()) {
    socket->receiving = false;
    socket->receive_cancelled = false;
  }
  if (socket->closing) return release_if_idle(id, *socket);
  if (completion.result > 0) {
    const std::span bytes(buffer, static_cast<std::size_t>(completion.result));
    report(*socket, {.kind = EventKind::received, .socket = id, .bytes = bytes});
  } else if (completion.result == 0) {
    socket->ended = true;
    report(*socket, {.kind = EventKind::closed_by_peer, .socket = id});
  } else if (completion.result == -ENOBUFS) {
    ++counters_.buffers_exhausted;
    starved_ = true;
  } else if (completion.result != -ECANCELED && completion.result != -EINTR) {
    socket->ended = true;
    report(*socket, {.kind = EventKind::failed, .error = -completion.result, .socket = id});
  }
  if (!socket->receiving) to_arm_.push_back(id);
}

void UringRing::report(const Socket& socket, const IoEvent& event) {
  if (!socket.paused) {
    events_.push_back(event);
    return;
  }
  Held held{event, {}};
  if (!event.bytes.empty()) {
    held.bytes.reserve(event.bytes.size() + kReceivePadding);
    held.bytes.assign(event.bytes.begin(), event.bytes.end());
    held.bytes.resize(event.bytes.size() + kReceivePadding);
  }
  held_.push_back(std::move(held));
}

void UringRing::on_writable(const Completion& completion) {
  const SocketId id = completion.tag.subject;
  Socket* const socket = sockets_.find(id);
  ensure(socket != nullptr, "a socket lives until its last completion");
  socket->polling = false;
  if (socket->closing) return release_if_idle(id, *socket);
  events_.push_back({.kind = EventKind::writable, .socket = id});
}

void UringRing::on_wake(const Completion& completion) {
  watching_wake_ = false;
  if (completion.result < 0) return;
  std::uint64_t value = 0;
  (void)!::read(wake_fd_, &value, sizeof value);
  events_.push_back({.kind = EventKind::woken});
}

void UringRing::release_if_idle(SocketId id, Socket& socket) {
  if (socket.receiving || socket.polling) return;
  sockets_.erase(id);
  gate_.relieved();
}

UringRing::Socket* UringRing::sendable(SocketId id) {
  Socket* socket = open_socket(id);
  if (socket == nullptr) return nullptr;
  ensure(socket->flush != flush_, "one send a socket until flush_sends()");
  socket->flush = flush_;
  return socket;
}

void UringRing::send(SocketId id, std::span<const char> bytes) {
  if (const Socket* socket = sendable(id)) sender_->add(id, socket->fd.get(), bytes);
}

void UringRing::send(SocketId id, std::span<const iovec> vectors) {
  if (const Socket* socket = sendable(id)) sender_->add(id, socket->fd.get(), vectors);
}

std::span<const SendResult> UringRing::flush_sends() {
  const auto results = sender_->flush();
  counters_.sends_incomplete += results.size();
  if (++flush_ == 0) flush_ = 1;
  return results;
}

void UringRing::watch_writable(SocketId id) {
  Socket* socket = open_socket(id);
  if (socket == nullptr || socket->polling) return;
  io_uring_sqe& entry = queue_->next_entry();
  io_uring_prep_poll_add(&entry, socket->fd.get(), POLLOUT);
  entry.user_data = OperationTag{Operation::writable, id}.pack();
  socket->polling = true;
}

void UringRing::pause_receive(SocketId id) {
  Socket* socket = open_socket(id);
  if (socket == nullptr || socket->paused) return;
  socket->paused = true;
  cancel_receive(id, *socket);
}

void UringRing::resume_receive(SocketId id) {
  Socket* socket = open_socket(id);
  if (socket == nullptr || !socket->paused) return;
  socket->paused = false;
  to_arm_.push_back(id);
}

void UringRing::shutdown_send(SocketId id) {
  Socket* socket = open_socket(id);
  if (socket == nullptr) return;
  if (socket->flush == flush_) sender_->submit();
  (void)::shutdown(socket->fd.get(), SHUT_WR);
}

void UringRing::close(SocketId id) {
  Socket* socket = open_socket(id);
  if (socket == nullptr) return;
  if (socket->flush == flush_) sender_->submit();
  socket->closing = true;
  cancel_receive(id, *socket);
  if (socket->polling) queue_->cancel({Operation::writable, id});
  release_if_idle(id, *socket);
}

void UringRing::cancel_accept(std::uint32_t index) {
  Listener& listener = listeners_[index];
  if (!listener.accepting || listener.cancelled) return;
  queue_->cancel(listener_tag(index));
  listener.cancelled = true;
}

void UringRing::pause_accept() {
  gate_.pause();
  for (std::uint32_t index = 0; index < listeners_.size(); ++index) cancel_accept(index);
}

void UringRing::resume_accept() { gate_.resume(); }

void UringRing::close_listeners() {
  pause_accept();
  for (Listener& listener : listeners_) {
    listener.closing = true;
    if (!listener.accepting) listener.fd.reset();
  }
}

std::string UringRing::describe() const { return fmt::format("io_uring ({})", setup_); }

}  // namespace ringcast::io
