#include "outbox/consumer.hpp"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <vector>

#include "message/timestamp.hpp"
#include "message/uuid.hpp"
#include "outbox/database.hpp"

namespace ringcast::bench {

namespace {

constexpr int kFallbackPollMs = 250;
constexpr std::int64_t kPostgresEpochSeconds = 946'684'800;

std::uint64_t big_endian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (const char byte : bytes) value = value << 8 | static_cast<std::uint8_t>(byte);
  return value;
}

// The one who is served.
Result<int> accept_subscriber() {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (::bind(listener, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      ::listen(listener, 1) != 0 ||
      ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) != 0)
    return {Errc::unavailable, "no port to listen on"};
  fmt::print("listening on http://127.0.0.1:{}\n", ntohs(address.sin_port));
  std::fflush(stdout);
  const int subscriber = ::accept(listener, nullptr, nullptr);
  if (subscriber < 0) return {Errc::unavailable, "nobody came"};
  const int on = 1;
  ::setsockopt(subscriber, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return subscriber;
}

// id, event_id, tenant_id, aggregate_type, aggregate_id, event_type, occurred_at, payload; binary.
void append_frame(std::string& out, const Database::Answer& rows, int row) {
  Uuid uuid;
  std::memcpy(uuid.bytes.data(), cell(rows, row, 1).data(), uuid.bytes.size());
  const std::string id = uuid.text();
  const auto micros = static_cast<std::int64_t>(big_endian(cell(rows, row, 6)));
  std::string time;
  append_timestamp(time,
                   WallTime{std::chrono::microseconds{micros + kPostgresEpochSeconds * 1'000'000}});
  const std::size_t header = out.size();
  out.append("\x81\x7e  ", 4);
  fmt::format_to(
      std::back_inserter(out),
      R"({{"type":"{3}","room":"tenant:{0}","offset":{6},"id":"{4}","time":"{5}",)"
      R"("data":{{"id":"{4}","version":1,"tenantId":"{0}","aggregateType":"{1}","aggregateId":"{2}",)"
      R"("occurredAt":"{5}","eventType":"{3}","payload":{7}}}}})",
      cell(rows, row, 2), cell(rows, row, 3), cell(rows, row, 4), cell(rows, row, 5), id, time,
      big_endian(cell(rows, row, 0)), cell(rows, row, 7));
  const std::size_t length = out.size() - header - 4;
  out[header + 2] = static_cast<char>(length >> 8);
  out[header + 3] = static_cast<char>(length & 0xff);
}

class Consumer {
 public:
  Consumer(Database database, int subscriber, int batch)
      : database_(std::move(database)),
        subscriber_(subscriber),
        batch_text_(std::to_string(batch)),
        batch_(batch) {}

  Result<void> run(bool bare) {
    if (auto ready = bare ? prepare_bare() : prepare_skip_locked(); !ready) return ready;
    for (;;) {
      auto got = bare ? carry_bare() : carry_skip_locked();
      if (!got) return got.error();
      if (*got < batch_) wait();
    }
  }

 private:
  static constexpr std::string_view kColumns =
      "id, event_id, tenant_id, aggregate_type, aggregate_id, event_type, occurred_at, payload";

  Result<void> prepare_bare() {
    if (auto listening = database_.run("listen bench_bare"); !listening) return listening.error();
    auto ready = database_.prepare(
        "read", fmt::format("select {} from bench.bare where id > $1::bigint order by id"
                            " limit $2::bigint",
                            kColumns));
    if (!ready) return ready;
    return database_.prepare("record", "insert into bench.bare_delivered values ($1::bigint)");
  }

  // The array, so that no plan joins the whole table.
  Result<void> prepare_skip_locked() {
    if (auto listening = database_.run("listen bench_skip_locked"); !listening)
      return listening.error();
    return database_.prepare(
        "claim", fmt::format("update bench.skip_locked set status = 'published',"
                             " published_at = clock_timestamp() where id = any(array(select id"
                             " from bench.skip_locked where status = 'pending' order by id"
                             " limit $1::bigint for update skip locked)) returning {}",
                             kColumns));
  }

  Result<int> carry_bare() {
    auto rows = database_.execute_binary("read", {last_, batch_text_});
    if (!rows) return rows.error();
    const int count = PQntuples(rows->get());
    if (count == 0) return 0;
    last_ = std::to_string(big_endian(cell(*rows, count - 1, 0)));
    if (auto recorded = database_.execute("record", {last_}); !recorded) return recorded.error();
    for (int row = 0; row < count; ++row) add(*rows, row);
    return send_all(count);
  }

  Result<int> carry_skip_locked() {
    if (auto begun = database_.run("begin"); !begun) return begun.error();
    auto rows = database_.execute_binary("claim", {batch_text_});
    if (!rows) return rows.error();
    const int count = PQntuples(rows->get());
    order_.resize(static_cast<std::size_t>(count));
    for (int row = 0; row < count; ++row)
      order_[static_cast<std::size_t>(row)] = {big_endian(cell(*rows, row, 0)), row};
    std::sort(order_.begin(), order_.end());
    for (const auto& [id, row] : order_) add(*rows, row);
    if (auto sent = send_all(count); !sent) return sent;
    if (auto done = database_.run("commit"); !done) return done.error();
    return count;
  }

  void add(const Database::Answer& rows, int row) {
    if (cell(rows, row, 2) == "t0") append_frame(frames_, rows, row);
  }

  Result<int> send_all(int count) {
    std::string_view left(frames_);
    while (!left.empty()) {
      const auto sent = ::send(subscriber_, left.data(), left.size(), MSG_NOSIGNAL);
      if (sent <= 0) return {Errc::unavailable, "the subscriber has left"};
      left.remove_prefix(static_cast<std::size_t>(sent));
    }
    frames_.clear();
    return count;
  }

  void wait() {
    PGconn* connection = database_.connection();
    if (take_notifications(connection)) return;
    pollfd readable{PQsocket(connection), POLLIN, 0};
    ::poll(&readable, 1, kFallbackPollMs);
    PQconsumeInput(connection);
    take_notifications(connection);
  }

  static bool take_notifications(PGconn* connection) {
    bool any = false;
    for (; PGnotify* one = PQnotifies(connection); any = true) PQfreemem(one);
    return any;
  }

  Database database_;
  int subscriber_;
  std::string batch_text_;
  int batch_;
  std::string last_ = "0";
  std::string frames_;
  std::vector<std::pair<std::uint64_t, int>> order_;
};

}  // namespace

int consume(const std::string& kind, const std::string& url, int batch) {
  auto database = Database::connect(url);
  if (!database) return fmt::print(stderr, "{}\n", database.error().detail), 1;
  const auto subscriber = accept_subscriber();
  if (!subscriber) return fmt::print(stderr, "{}\n", subscriber.error().detail), 1;
  const auto ended = Consumer(std::move(database).value(), *subscriber, batch).run(kind == "bare");
  if (!ended) fmt::print(stderr, "{}: {}\n", kind, ended.error().detail);
  return 1;
}

}  // namespace ringcast::bench
