// The hub's own share of a publish: from the mail to slices in N SendQueues, sent to nowhere.
#include <benchmark/benchmark.h>

#include "hub/hub.hpp"

namespace ringcast {
namespace {

class Silent final : public Peer {
  void subscribed(Session&, std::uint64_t, const SubscribedMail&) override {}
  void published(Session&, std::uint64_t, const PublishedMail&) override {}
  void presence_list(Session&, std::uint64_t, const PresenceListMail&) override {}
  void read_now(Session&, std::uint64_t, const ReadNowAnswerMail&) override {}
  void admin_answer(Session&, std::uint64_t, const AdminAnswerMail&) override {}
  void call_answered(Session&, std::uint64_t, const CallResult&, const Uuid&) override {}
  void hook_answered(Session&, std::uint64_t, HookKind,
                     const Result<std::shared_ptr<const Identity>>&) override {}
  void unsubscribed(Session&, std::string_view, std::string_view) override {}
};

class Room {
 public:
  explicit Room(std::uint32_t subscribers) {
    with_default_namespaces(config_);
    std::vector<ShardSender> others;
    others.emplace_back();
    hub_.emplace(config_, handlers_, Mesh({0}, std::move(others), std::nullopt, 4'096), metrics_);
    const auto identity = std::make_shared<const Identity>(Identity{{}, Grants::all(), {}});
    for (std::uint32_t i = 0; i < subscribers; ++i) {
      sessions_.push_back(std::make_unique<Session>(ConnectionId{{0}, {i, 1}}, Encoding::native,
                                                    static_cast<Peer&>(peer_)));
      hub_->open(*sessions_.back());
      hub_->audience().identify(*sessions_.back(), identity);
      ensure(hub_->subscribe(*sessions_.back(), 1, "room:1", {}, now_).ok(), "subscribe");
      tick();
    }
  }
  ~Room() {
    for (const auto& session : sessions_) hub_->close(*session);
  }
  Room(const Room&) = delete;
  Room& operator=(const Room&) = delete;

  void publish() {
    PublishAsk ask;
    ask.room = "room:1";
    ask.type = "bench";
    ask.data = data_;
    ensure(hub_->publish(*sessions_[0], 1, std::move(ask), {}, Hub::Authority::grants).ok(),
           "publish");
  }

  void subscribe(std::size_t session, std::string_view room) {
    ensure(hub_->subscribe(*sessions_[session], 1, room, {}, now_).ok(), "subscribe");
  }
  void unsubscribe(std::size_t session, std::string_view room) {
    ensure(hub_->unsubscribe(*sessions_[session], room).ok(), "unsubscribe");
  }
  void handle() { hub_->handle_local(4'096, now_); }

  void tick() {
    handle();
    hub_->run(now_);
    hub_->audience().flush_rooms(now_, {});
    auto& dirty = hub_->audience().dirty();
    for (Session* session : dirty) {
      session->dirty = false;
      parts_.clear();
      session->queue.gather(parts_, 64);
      session->queue.sent_all(parts_.size());
    }
    dirty.clear();
    hub_->audience().end_tick();
  }

 private:
  Config config_;
  Handlers handlers_;
  ShardMetrics metrics_;
  Silent peer_;
  std::optional<Hub> hub_;
  std::vector<std::unique_ptr<Session>> sessions_;
  std::vector<iovec> parts_;
  Instant now_{std::chrono::seconds{1'000}};
  Payload data_ = std::make_shared<const std::string>(128, '1');
};

// Arguments: subscribers, events a tick. Items are deliveries.
void room_publish(benchmark::State& state) {
  Room room(static_cast<std::uint32_t>(state.range(0)));
  for (auto _ : state) {
    for (std::int64_t i = 0; i < state.range(1); ++i) room.publish();
    room.tick();
  }
  state.SetItemsProcessed(state.iterations() * state.range(0) * state.range(1));
}
// A session comes and goes in one of `rooms` rooms that others keep alive (0: nobody does). Items
// are pairs.
void subscribe_unsubscribe(benchmark::State& state) {
  Room room(2);
  const auto rooms = static_cast<std::size_t>(state.range(0));
  std::vector<std::string> names;
  for (std::size_t i = 0; i < std::max<std::size_t>(rooms, 1); ++i)
    names.push_back("room:" + std::to_string(i + 2));
  if (rooms != 0)
    for (const std::string& name : names) room.subscribe(0, name);
  room.tick();
  std::size_t next = 0;
  for (auto _ : state) {
    for (int i = 0; i < 16; ++i) {
      const std::string& name = names[next++ % names.size()];
      room.subscribe(1, name);
      room.handle();
      room.unsubscribe(1, name);
    }
    room.tick();
  }
  state.SetItemsProcessed(state.iterations() * 16);
}
BENCHMARK(subscribe_unsubscribe)->Arg(0)->Arg(1)->Arg(100);

BENCHMARK(room_publish)->ArgsProduct({{1, 100, 1'000, 10'000}, {1, 16}});

}  // namespace
}  // namespace ringcast
