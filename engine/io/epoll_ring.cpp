#include "io/epoll_ring.hpp"

#include <fmt/format.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/log.hpp"
#include "io/socket_options.hpp"

namespace ringcast::io {

namespace {

// What epoll hands back: which of three kinds, and which one of it.
enum class Subject : std::uint64_t { socket, listener, wake };
constexpr std::uint64_t kSubjectShift = 62;
constexpr std::uint32_t kIndexMax = (1U << 30) - 1;

std::uint64_t pack(Subject subject, SlotId id) {
  return static_cast<std::uint64_t>(subject) << kSubjectShift | std::uint64_t{id.index} << 32 |
         id.generation;
}

constexpr int kAcceptsMax = 64;  // a listener and wait, so that a flood of them starves nobody
constexpr int kReadsMax = 4;     // a socket and wait, for the same reason

Instant steady_now() { return SystemClock{}.now(); }

}  // namespace

EpollRing::EpollRing(const RingOptions& options)
    : options_(options), pool_(options), sockets_(options.sockets_max) {
  ensure(options.sockets_max <= kIndexMax, "sockets_max fits into epoll's data");
  ready_.resize(std::max(1U, options.events_max / kReadsMax));
}

Result<std::unique_ptr<Ring>> EpollRing::create(const RingOptions& options) {
  std::unique_ptr<EpollRing> ring(new EpollRing(options));
  if (auto started = ring->start(); !started) return started.error();
  return std::unique_ptr<Ring>(std::move(ring));
}

Result<void> EpollRing::start() {
  epoll_.reset(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll_) return {Errc::unavailable, fmt::format("epoll_create1: {}", std::strerror(errno))};
  wake_fd_ = options_.wake_fd;
  if (wake_fd_ < 0) {
    own_wake_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!own_wake_) return {Errc::unavailable, fmt::format("eventfd: {}", std::strerror(errno))};
    wake_fd_ = own_wake_.get();
  }
  if (const int error = control(EPOLL_CTL_ADD, wake_fd_, EPOLLIN, pack(Subject::wake, {})))
    return {Errc::unavailable, fmt::format("epoll_ctl of the eventfd: {}", std::strerror(error))};
  return {};
}

int EpollRing::control(int operation, int fd, std::uint32_t events, std::uint64_t data) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = data;
  return ::epoll_ctl(epoll_.get(), operation, fd, &event) == 0 ? 0 : errno;
}

Result<void> EpollRing::listen(FileDescriptor socket, std::uint32_t tag) {
  ensure(bool{socket}, "a descriptor to listen on");
  set_connection_options(socket.get());
  set_blocking(socket.get(), Blocking::no);
  listeners_.push_back({std::move(socket), tag});
  apply_gate();
  return {};
}

Result<SocketId> EpollRing::adopt(FileDescriptor socket) {
  set_connection_options(socket.get());
  const SocketId id = insert(std::move(socket));
  if (!id)
    return {Errc::unavailable,
            fmt::format("sockets_max ({}) reached, or no memory for epoll", options_.sockets_max)};
  return id;
}

Result<SocketAddress> EpollRing::peer(SocketId id) {
  const Socket* socket = sockets_.find(id);
  if (socket == nullptr) return {Errc::not_found, "a socket that is closed"};
  return peer_address(socket->fd.get());
}

SocketId EpollRing::insert(FileDescriptor fd) {
  const SocketId id = sockets_.emplace(Socket{.fd = std::move(fd)});
  if (!id) return {};
  Socket& socket = *sockets_.find(id);
  apply_interest(id, socket);
  if (socket.registered) return id;
  sockets_.erase(id);
  return {};
}

void EpollRing::apply_interest(SocketId id, Socket& socket) {
  std::uint32_t wanted = 0;
  if (!socket.paused && !socket.ended) wanted |= EPOLLIN;
  if (socket.watching_writable) wanted |= EPOLLOUT;
  if (socket.registered && socket.interest == wanted) return;
  const int operation = socket.registered ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
  if (control(operation, socket.fd.get(), wanted, pack(Subject::socket, id)) == 0) {
    socket.registered = true;
    socket.interest = wanted;
  }
}

void EpollRing::apply_gate() {
  for (std::size_t index = 0; index < listeners_.size(); ++index) {
    Listener& listener = listeners_[index];
    if (!listener.fd || listener.registered == gate_.open()) continue;
    const SlotId id{static_cast<std::uint32_t>(index), 1};
    const int operation = gate_.open() ? EPOLL_CTL_ADD : EPOLL_CTL_DEL;
    // A unix socket is one for all shards: a connection wakes one of them. (io_uring asks for this
    // by itself.)
    if (control(operation, listener.fd.get(), EPOLLIN | EPOLLEXCLUSIVE,
                pack(Subject::listener, id)) == 0)
      listener.registered = gate_.open();
    else
      gate_.exhausted(steady_now());
  }
}

std::span<IoEvent> EpollRing::wait(Instant deadline) {
  ensure(!sending_, "wait() after flush_sends()");
  events_.clear();
  // All buffers used in one round: the next one may need more.
  if (buffers_used_ == pool_.size()) (void)pool_.grow();
  const Instant now = steady_now();
  pool_.note_use(buffers_used_, now);
  buffers_used_ = 0;
  if (now >= pool_.shrink_at()) pool_.shrink();
  gate_.tick(now);
  apply_gate();
  const int count = sleep(std::min({deadline, gate_.retry_at(), pool_.shrink_at()}), now);
  for (int i = 0; i < count; ++i) handle(ready_[static_cast<std::size_t>(i)]);
  return events_;
}

int EpollRing::sleep(Instant until, Instant now) {
  const auto room = static_cast<int>(ready_.size());
  if (until <= now) return ::epoll_wait(epoll_.get(), ready_.data(), room, 0);
  ++counters_.waits;
  if (until == Instant::max()) return ::epoll_wait(epoll_.get(), ready_.data(), room, -1);
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(until - now);
  timespec limit{};
  limit.tv_sec = seconds.count();
  limit.tv_nsec = (until - now - seconds).count();
  const int count = ::epoll_pwait2(epoll_.get(), ready_.data(), room, &limit, nullptr);
  if (count >= 0 || (errno != ENOSYS && errno != EPERM)) return count;
  // Kernels before 5.11 and old seccomp profiles: whole milliseconds, never too early.
  const auto millis = std::chrono::ceil<Millis>(until - now).count();
  constexpr std::int64_t kMillisMax = 3'600'000;
  return ::epoll_wait(epoll_.get(), ready_.data(), room,
                      static_cast<int>(std::min<std::int64_t>(millis, kMillisMax)));
}

void EpollRing::handle(const epoll_event& event) {
  const std::uint64_t data = event.data.u64;
  const SlotId id{static_cast<std::uint32_t>(data >> 32) & kIndexMax,
                  static_cast<std::uint32_t>(data)};
  switch (static_cast<Subject>(data >> kSubjectShift)) {
    case Subject::wake:
      return on_wake();
    case Subject::listener:
      return on_acceptable(listeners_[id.index]);
    case Subject::socket:
      break;
  }
  Socket* socket = sockets_.find(id);
  if (socket == nullptr) return;
  const bool dying = (event.events & (EPOLLERR | EPOLLHUP)) != 0;
  if (socket->watching_writable && (dying || (event.events & EPOLLOUT) != 0)) {
    socket->watching_writable = false;
    events_.push_back({.kind = EventKind::writable, .socket = id});
  }
  const bool reading = !socket->paused && !socket->ended;
  if (reading && (dying || (event.events & EPOLLIN) != 0)) on_readable(id, *socket);
  if (dying && (!reading || socket->ended)) return on_hangup(id, *socket);
  apply_interest(id, *socket);
}

void EpollRing::on_readable(SocketId id, Socket& socket) {
  for (int reads = 0; reads < kReadsMax && buffers_used_ < pool_.size(); ++reads) {
    char* const buffer = pool_.at(buffers_used_);
    const auto got = ::recv(socket.fd.get(), buffer, pool_.buffer_bytes(), MSG_DONTWAIT);
    if (got > 0) {
      ++buffers_used_;
      const std::span bytes(buffer, static_cast<std::size_t>(got));
      events_.push_back({.kind = EventKind::received, .socket = id, .bytes = bytes});
      if (bytes.size() < pool_.buffer_bytes()) return;
    } else if (got == 0) {
      socket.ended = true;
      events_.push_back({.kind = EventKind::closed_by_peer, .socket = id});
      return;
    } else if (errno == EAGAIN || errno == EINTR) {
      return;
    } else {
      socket.ended = true;
      events_.push_back({.kind = EventKind::failed, .error = errno, .socket = id});
      return;
    }
  }
  if (buffers_used_ == pool_.size()) ++counters_.buffers_exhausted;
}

// An error or hang-up on a socket that is not read: epoll would report it in every wait.
void EpollRing::on_hangup(SocketId id, Socket& socket) {
  int error = 0;
  socklen_t size = sizeof error;
  (void)::getsockopt(socket.fd.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0 && !socket.ended) {
    socket.ended = true;
    events_.push_back({.kind = EventKind::failed, .error = error, .socket = id});
  }
  (void)control(EPOLL_CTL_DEL, socket.fd.get(), 0, 0);
  socket.registered = false;
}

void EpollRing::on_acceptable(Listener& listener) {
  for (int accepts = 0; accepts < kAcceptsMax; ++accepts) {
    FileDescriptor fd(::accept4(listener.fd.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (fd) {
      const SocketId id = insert(std::move(fd));
      if (!id) {
        ++counters_.refused;
        continue;
      }
      ++counters_.accepted;
      events_.push_back({.kind = EventKind::accepted, .socket = id, .listener = listener.tag});
      continue;
    }
    if (errno == EAGAIN) return;
    switch (classify_accept_error(errno)) {
      case AcceptFailure::passing:
        continue;
      case AcceptFailure::exhausted:
        ++counters_.accept_exhausted;
        gate_.exhausted(steady_now());
        return;
      case AcceptFailure::broken:
        log::error("accepting on listener {} has ended: {}", listener.tag, std::strerror(errno));
        (void)control(EPOLL_CTL_DEL, listener.fd.get(), 0, 0);
        listener.fd.reset();
        return;
    }
  }
}

void EpollRing::on_wake() {
  std::uint64_t value = 0;
  (void)!::read(wake_fd_, &value, sizeof value);
  events_.push_back({.kind = EventKind::woken});
}

void EpollRing::send(SocketId id, std::span<const char> bytes) {
  iovec vector{const_cast<char*>(bytes.data()), bytes.size()};  // sendmsg() does not write to it
  msghdr message{};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  transmit(id, message);
}

void EpollRing::send(SocketId id, std::span<const iovec> vectors) {
  ensure(vectors.size() <= kVectorsMax, "a send of at most kVectorsMax vectors");
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(vectors.data());
  message.msg_iovlen = vectors.size();
  transmit(id, message);
}

void EpollRing::transmit(SocketId id, const msghdr& message) {
  Socket* socket = sockets_.find(id);
  if (socket == nullptr) return;
  ensure(socket->flush != flush_, "one send a socket until flush_sends()");
  socket->flush = flush_;
  if (!sending_) results_.clear();
  sending_ = true;
  std::size_t asked = 0;
  for (std::size_t i = 0; i < message.msg_iovlen; ++i) asked += message.msg_iov[i].iov_len;
  ssize_t sent = 0;
  do {
    sent = ::sendmsg(socket->fd.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  if (sent >= 0 && static_cast<std::size_t>(sent) == asked) return;
  results_.push_back({id, sent < 0 ? 0 : static_cast<std::size_t>(sent), sent < 0 ? errno : 0});
}

std::span<const SendResult> EpollRing::flush_sends() {
  if (!sending_) results_.clear();
  sending_ = false;
  if (++flush_ == 0) flush_ = 1;
  counters_.sends_incomplete += results_.size();
  return results_;
}

void EpollRing::watch_writable(SocketId id) {
  Socket* socket = sockets_.find(id);
  if (socket == nullptr) return;
  socket->watching_writable = true;
  apply_interest(id, *socket);
}

void EpollRing::pause_receive(SocketId id) {
  Socket* socket = sockets_.find(id);
  if (socket == nullptr) return;
  socket->paused = true;
  apply_interest(id, *socket);
}

void EpollRing::resume_receive(SocketId id) {
  Socket* socket = sockets_.find(id);
  if (socket == nullptr) return;
  socket->paused = false;
  apply_interest(id, *socket);
}

void EpollRing::shutdown_send(SocketId id) {
  if (const Socket* socket = sockets_.find(id)) (void)::shutdown(socket->fd.get(), SHUT_WR);
}

void EpollRing::close(SocketId id) {
  const Socket* socket = sockets_.find(id);
  if (socket == nullptr) return;
  // Said aloud, because epoll forgets a socket only with its last descriptor, and a forked child
  // may hold a copy.
  if (socket->registered) (void)control(EPOLL_CTL_DEL, socket->fd.get(), 0, 0);
  sockets_.erase(id);
  gate_.relieved();
}

void EpollRing::pause_accept() {
  gate_.pause();
  apply_gate();
}

void EpollRing::resume_accept() {
  gate_.resume();
  apply_gate();
}

void EpollRing::close_listeners() {
  pause_accept();
  for (Listener& listener : listeners_) listener.fd.reset();
}

std::string EpollRing::describe() const {
  return options_.reason.empty() ? "epoll" : fmt::format("epoll ({})", options_.reason);
}

}  // namespace ringcast::io
