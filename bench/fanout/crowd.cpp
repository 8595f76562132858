#include "crowd.hpp"

#include <fmt/format.h>
#include <sys/epoll.h>
#include <unistd.h>

namespace ringcast::bench {

namespace {

constexpr std::size_t kEventsMax = 256;
constexpr auto kPatience = std::chrono::seconds(30);

}  // namespace

Crowd::~Crowd() {
  if (epoll_ >= 0) ::close(epoll_);
}

Result<std::unique_ptr<Crowd>> Crowd::join(std::uint16_t port, const std::string& room,
                                           std::size_t size) {
  auto crowd = std::unique_ptr<Crowd>(new Crowd);
  crowd->epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  crowd->clients_.reserve(size);
  std::string subscribe;
  ClientSocket::append_frame(subscribe, fmt::format(R"({{"type":"subscribe","room":"{}"}})", room));
  for (std::size_t i = 0; i < size; ++i) {
    auto socket = ClientSocket::connect(port);
    if (!socket) return socket.error();
    if (!room.empty()) {
      if (auto sent = socket.value().send(subscribe); !sent) return sent.error();
      if (auto answer = socket.value().wait_for("\"subscribed\""); !answer) return answer.error();
    }
    socket.value().non_blocking();
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = i;
    ::epoll_ctl(crowd->epoll_, EPOLL_CTL_ADD, socket.value().fd(), &event);
    crowd->clients_.push_back({std::move(socket).value(), 0});
  }
  return crowd;
}

Result<void> Crowd::read_member(Member& member, const std::function<void(std::string_view)>& seen) {
  std::uint64_t wrong = UINT64_MAX;
  std::uint64_t due = 0;
  const bool alive = member.socket.read(buffer_, [&](std::string_view message) {
    const std::uint64_t number = number_after(message, "\"bn\":", UINT64_MAX);
    if (number == UINT64_MAX) return;  // not an event of ours: a ping, a position
    if (number != member.next && wrong == UINT64_MAX) {
      wrong = number;
      due = member.next;
    }
    ++member.next;
    ++deliveries_;
    frame_bytes_ = message.size() + (message.size() <= 125 ? 2 : 4);
    if (seen) seen(message);
  });
  if (!alive) return {Errc::unavailable, "a subscriber was disconnected"};
  if (wrong != UINT64_MAX)
    return {Errc::internal, fmt::format("event {} came where {} was due", wrong, member.next - 1)};
  return {};
}

Result<void> Crowd::read(Millis wait, const std::function<void(std::string_view)>& seen) {
  epoll_event events[kEventsMax];
  const int ready = ::epoll_wait(epoll_, events, kEventsMax, static_cast<int>(wait.count()));
  for (int i = 0; i < ready; ++i)
    if (auto done = read_member(clients_[events[i].data.u64], seen); !done) return done;
  return {};
}

Result<void> Crowd::read_until(std::uint64_t count) {
  const std::uint64_t wanted = count * clients_.size();
  auto last = std::chrono::steady_clock::now();
  while (deliveries_ < wanted) {
    const std::uint64_t before = deliveries_;
    if (auto done = read(Millis(100)); !done) return done;
    const auto now = std::chrono::steady_clock::now();
    if (deliveries_ != before)
      last = now;
    else if (now - last > kPatience)
      return {Errc::unavailable, fmt::format("{} of {} deliveries came", deliveries_, wanted)};
  }
  if (deliveries_ != wanted) return {Errc::internal, "more events came than were published"};
  for (const Member& member : clients_)
    if (member.next != count) return {Errc::internal, "somebody got another number of events"};
  return {};
}

}  // namespace ringcast::bench
