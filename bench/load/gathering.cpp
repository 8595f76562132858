#include "gathering.hpp"

#include <fmt/format.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "json_rows.hpp"

namespace ringcast::bench {

namespace {

constexpr std::size_t kEventsMax = 256;
// Fewer than the shortest listen backlog of a server that was met (511).
constexpr std::size_t kEnterAtOnce = 500;
constexpr std::uint64_t kPatienceNs = 30'000'000'000;
constexpr std::uint64_t kPublisherTag = UINT64_MAX;
constexpr unsigned kRowsSeeds = 16;
constexpr std::size_t kRowsBytesMin = 256;
constexpr std::size_t kRowsRestBytes = 56;  // about what the numbers of an event take

}  // namespace

std::uint64_t Gathering::now_ns() {
  return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch() /
                                    std::chrono::nanoseconds(1));
}

Gathering::~Gathering() {
  if (epoll_ >= 0) ::close(epoll_);
}

Result<std::unique_ptr<Gathering>> Gathering::join(std::uint16_t port, std::string_view protocol,
                                                   const Shape& shape) {
  auto gathering = std::unique_ptr<Gathering>(new Gathering);
  Gathering& g = *gathering;
  g.shape_ = shape;
  g.epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  for (std::size_t i = 0; i < shape.rooms; ++i) g.room_names_.push_back(fmt::format("bench:{}", i));
  for (unsigned seed = 0; shape.rows && seed < kRowsSeeds; ++seed)
    g.rows_.push_back(
        json_rows(std::max(shape.payload_bytes, kRowsBytesMin) - kRowsRestBytes, seed));
  auto dialect = Dialect::named(protocol);
  if (!dialect) return dialect.error();
  g.dialect_ = std::move(dialect).value();
  const std::size_t size = shape.rooms * shape.per_room;
  g.members_.reserve(size);
  for (std::size_t first = 0; first < size; first += kEnterAtOnce)
    if (auto done = g.enter_all(port, *g.dialect_, first, std::min(first + kEnterAtOnce, size));
        !done)
      return done.error();
  if (shape.members_publish) {
    g.sent_.resize(size);
  } else {
    g.sent_.resize(shape.rooms);
    if (auto done = g.add_publisher(port, protocol); !done) return done.error();
  }
  return gathering;
}

// Step by step for a crowd at once, as clients come after a server's restart.
Result<void> Gathering::enter_all(std::uint16_t port, const Dialect& dialect, std::size_t first,
                                  std::size_t last) {
  const std::size_t sources = shape_.members_publish ? shape_.per_room : 1;
  for (std::size_t i = first; i < last; ++i) {
    auto socket = ClientSocket::open(port);
    if (!socket) return socket.error();
    const std::size_t room = i % shape_.rooms;
    const std::string path = dialect.path(room_names_[room]);
    if (auto sent = socket->send(ClientSocket::upgrade_request(port, path, dialect.extension()));
        !sent)
      return sent;
    members_.push_back({std::move(socket).value(), room, std::vector<std::uint32_t>(sources)});
  }
  const std::string_view status = dialect.is_websocket() ? "HTTP/1.1 101" : "HTTP/1.1 200";
  for (std::size_t i = first; i < last; ++i) {
    if (auto head = members_[i].socket.wait_for_head(status, dialect.extension()); !head)
      return head;
    if (!dialect.is_websocket()) members_[i].socket.plain_text();
  }
  const std::size_t steps = dialect.enter(room_names_[0]).size();
  for (std::size_t step = 0; step < steps; ++step) {
    for (std::size_t i = first; i < last; ++i)
      if (auto sent =
              members_[i].socket.send(dialect.enter(room_names_[members_[i].room])[step].send);
          !sent)
        return sent;
    for (std::size_t i = first; i < last; ++i)
      if (auto got =
              members_[i].socket.wait_for(dialect.enter(room_names_[members_[i].room])[step].wait);
          !got)
        return got.error();
  }
  for (std::size_t i = first; i < last; ++i) {
    members_[i].socket.non_blocking();
    watch(members_[i].socket.fd(), i);
  }
  return {};
}

Result<void> Gathering::add_publisher(std::uint16_t port, std::string_view protocol) {
  const std::string_view other = dialect_->publisher();
  auto dialect = Dialect::named(other.empty() ? protocol : other);
  if (!dialect) return dialect.error();
  publisher_dialect_ = std::move(dialect).value();
  auto socket = ClientSocket::open(port);
  if (!socket) return socket.error();
  if (publisher_dialect_->is_websocket()) {
    const std::string path = publisher_dialect_->path({});
    if (auto sent = socket->send(ClientSocket::upgrade_request(port, path)); !sent) return sent;
    if (auto head = socket->wait_for_head("HTTP/1.1 101"); !head) return head;
  } else {
    socket->plain_text();
  }
  for (const Step& step : publisher_dialect_->enter({})) {
    if (auto sent = socket->send(step.send); !sent) return sent;
    if (auto got = socket->wait_for(step.wait); !got) return got.error();
  }
  socket->non_blocking();
  publisher_ = std::make_unique<ClientSocket>(std::move(socket).value());
  watch(publisher_->fd(), kPublisherTag);
  return {};
}

void Gathering::watch(int fd, std::uint64_t tag) const {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = tag;
  ::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
}

void Gathering::publish(std::uint64_t time) {
  const std::size_t source = publications_ % sent_.size();
  std::string data = fmt::format(R"({{"bs":{},"bn":{},"bt":{},)", source, sent_[source], time);
  if (!rows_.empty()) {
    data += fmt::format(R"("rows":{}}})", rows_[publications_ % rows_.size()]);
  } else {
    data += R"("pad":")";
    if (data.size() + 2 < shape_.payload_bytes)
      data.append(shape_.payload_bytes - data.size() - 2, 'x');
    data += "\"}";
  }
  ++sent_[source];
  ++publications_;
  const Dialect& dialect = publisher_dialect_ ? *publisher_dialect_ : *dialect_;
  dialect.append_publish(prepared_, room_names_[source % shape_.rooms], data);
}

Result<void> Gathering::flush() {
  ClientSocket& socket =
      publisher_ ? *publisher_ : members_[(publications_ - 1) % members_.size()].socket;
  auto sent = socket.send(prepared_);
  prepared_.clear();
  return sent;
}

Result<void> Gathering::read(std::chrono::nanoseconds wait, Latencies* latencies) {
  epoll_event events[kEventsMax];
  const timespec timeout{wait.count() / 1'000'000'000, wait.count() % 1'000'000'000};
  const int ready = ::epoll_pwait2(epoll_, events, kEventsMax, &timeout, nullptr);
  for (int i = 0; i < ready; ++i) {
    const std::uint64_t tag = events[i].data.u64;
    auto done = tag == kPublisherTag ? read_publisher() : read_member(members_[tag], latencies);
    if (!done) return done;
  }
  return {};
}

Result<void> Gathering::read_member(Member& member, Latencies* latencies) {
  std::string answers;
  now_ = now_ns();
  const bool alive = member.socket.read(buffer_, [&](std::string_view message) {
    if (member.socket.compressed()) {
      auto text = inflated_.text_of(message);
      if (!text) return void(wrong_ = text.error().detail);
      message = *text;
    }
    if (!take(member, message, latencies)) answers += dialect_->answer(message);
  });
  if (!alive) return {Errc::unavailable, "a subscriber was disconnected"};
  if (!wrong_.empty()) return {Errc::internal, wrong_};
  return answers.empty() ? Result<void>{} : member.socket.send(answers);
}

Result<void> Gathering::read_publisher() {
  std::string answers;
  std::string refused;
  const bool alive = publisher_->read(buffer_, [&](std::string_view message) {
    answers += publisher_dialect_->answer(message);
    if (publisher_dialect_->refuses(message)) refused = message;
  });
  if (!alive) return {Errc::unavailable, "the publisher was disconnected"};
  if (!refused.empty()) return {Errc::internal, "refused: " + refused};
  return answers.empty() ? Result<void>{} : publisher_->send(answers);
}

// A message may hold several events, as Centrifuge and NATS write them. False: it holds none.
bool Gathering::take(Member& member, std::string_view message, Latencies* latencies) {
  bool any = !wrong_.empty();
  constexpr std::string_view kMark = "{\"bs\":";
  while (wrong_.empty()) {
    const void* found = ::memmem(message.data(), message.size(), kMark.data(), kMark.size());
    if (found == nullptr) return any;
    message.remove_prefix(
        static_cast<std::size_t>(static_cast<const char*>(found) - message.data()) + 1);
    const std::uint64_t source = number_after(message, "\"bs\":", UINT64_MAX);
    const std::uint64_t number = number_after(message, "\"bn\":", UINT64_MAX);
    const std::size_t place = source / shape_.rooms;
    if (source % shape_.rooms != member.room || place >= member.next.size())
      wrong_ = fmt::format("an event of source {} came to room {}", source, member.room);
    else if (number != member.next[place]++)
      wrong_ = fmt::format("event {} came where {} was due", number, member.next[place] - 1);
    if (!wrong_.empty()) return true;
    any = true;
    ++deliveries_;
    if (latencies == nullptr) continue;
    const std::uint64_t time = number_after(message, "\"bt\":", 0);
    if (now_ < time) now_ = now_ns();
    latencies->add(now_ - std::min(now_, time));
  }
  return any;
}

Result<void> Gathering::settle(Latencies* latencies) {
  const std::uint64_t wanted = publications_ * shape_.per_room;
  std::uint64_t last = now_ns();
  while (deliveries_ < wanted) {
    const std::uint64_t before = deliveries_;
    if (auto done = read(std::chrono::milliseconds(100), latencies); !done) return done;
    const std::uint64_t now = now_ns();
    if (deliveries_ != before)
      last = now;
    else if (now - last > kPatienceNs)
      return {Errc::unavailable, fmt::format("{} of {} deliveries came", deliveries_, wanted)};
  }
  return {};
}

std::uint64_t Gathering::octets() const {
  std::uint64_t sum = 0;
  for (const Member& member : members_) sum += member.socket.received();
  return sum;
}

Result<void> Gathering::check_complete() const {
  for (const Member& member : members_)
    for (std::size_t place = 0; place < member.next.size(); ++place)
      if (member.next[place] != sent_[place * shape_.rooms + member.room])
        return {Errc::internal, "somebody got another number of events"};
  return {};
}

}  // namespace ringcast::bench
