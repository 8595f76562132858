// An application in this process: publishes, subscribes and asks as clients do, without a socket.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.hpp"
#include "hub/audience.hpp"
#include "hub/publish_ask.hpp"
#include "hub/senders.hpp"
#include "message/mail.hpp"
#include "queue/mailbox.hpp"
#include "queue/wakeup.hpp"

namespace ringcast {

// What a subscription of a port is known by. An id that has ended is a no-op everywhere.
using SubscriptionId = SlotId;

// Where something that was asked of a port is now. Full: nowhere, a mailbox has no place for it;
// nothing has happened, and trying again helps.
enum class Asked { queued, full };

// What comes to a port, while it is drained. Everything that is handed over by reference lives
// during the call.
//
// Thread: the port's. None of these may call Port::drain().
class PortListener {
 public:
  virtual ~PortListener() = default;
  // The answer to a subscribe. With `recovered` the missed events follow at once as event().
  virtual void subscribed(SubscriptionId id, const SubscribedMail& answer) = 0;
  virtual void event(SubscriptionId id, EventRef event) = 0;
  // Something is missing: exclusive from, inclusive to; both 0 in a room without history.
  virtual void gap(SubscriptionId id, const GapMail& gap) = 0;
  // The numbering of a room began anew.
  virtual void epoch_changed(SubscriptionId id, const EpochMail& mail) = 0;
  virtual void presence_changed(SubscriptionId id, const PresenceUpdateMail& mail) = 0;
  // The answer to a publish; under ReplyTo::kErrorsOnly only failures come.
  virtual void published(std::uint64_t tag, const PublishedMail& answer) = 0;
  virtual void presence_list(std::uint64_t tag, const PresenceListMail& answer) = 0;
  // Whatever else was sent to this port: calls of clients, answers to what admin() asked.
  virtual void mail(ShardMail&& mail) = 0;
};

// One thread's way into the engine and out of it. Home shards deliver to it as to a shard: it
// stands behind them in their meshes.
//
// Thread: the one that uses it, one at a time (Python: whoever holds the GIL); open_lane() and
// connect() at start-up. Lives in the Engine. Never blocks, takes no lock. What waits for it is
// bounded by mailbox_max for each shard: beyond that it misses events, which it gets from the
// room's history when it drains again, or is told of by a gap. Nobody else waits for it.
class Port final {
 public:
  Port(ShardIndex self, const Config& config);
  ~Port();
  Port(const Port&) = delete;
  Port& operator=(const Port&) = delete;

  // ---- wiring ----
  [[nodiscard]] ShardSender open_lane() { return mailbox_.open(config_.engine.mailbox_max); }
  void connect(const std::vector<std::unique_ptr<Mailbox<ShardMail>>>& shards,
               Mailbox<SourceMail>* source);

  // ---- what comes ----
  // Readable while something may be there and the port was parked.
  [[nodiscard]] int fd() const { return wakeup_.fd(); }
  // Hands over at most about `max` messages. False: there is no more, and the next that comes makes
  // fd() readable. True: call it again, fd() tells nothing.
  bool drain(std::size_t max, PortListener& listener);

  // ---- what is asked; flush() lets the shards know ----
  // A room, or a pattern (`prefix:*`, `*`): that has no position and recovers nothing, its order is
  // that of each room. It begins with the answer, PortListener::subscribed().
  [[nodiscard]] Result<SubscriptionId> subscribe(std::string_view room,
                                                 std::optional<Position> recover);
  void unsubscribe(SubscriptionId id);
  // Names are checked here, `ask.data` was validated (check_json()). What is queued is answered
  // under `tag`, which is the caller's. An error is one that trying again does not mend. What is
  // published in several calls goes to a shard as one mail, at flush() or before other mail.
  [[nodiscard]] Result<Asked> publish(PublishAsk ask, WallTime time, std::uint64_t tag);
  [[nodiscard]] Result<void> list_viewers(std::string_view room, std::string_view after,
                                          std::uint32_t limit, std::uint64_t tag);
  // Mail that has a place of its own (an answer to a call), to any shard.
  void answer(ShardIndex shard, ShardMail mail) { send(shard, std::move(mail)); }
  // A question to one shard, with reply_to(tag) in it. Its answer comes by PortListener::mail(),
  // and whoever takes it there says answered().
  [[nodiscard]] Result<void> ask(ShardIndex shard, ShardMail question);
  void answered() { --questions_; }
  void flush();

  // How shards answer it: under this address.
  [[nodiscard]] ReplyTo reply_to(std::uint64_t tag) const { return {{self_, {}}, tag}; }
  [[nodiscard]] std::uint32_t shards() const { return shards_.size(); }
  [[nodiscard]] std::size_t subscriptions() const { return count_; }

 private:
  struct Subscription {
    std::string room;
    std::uint32_t generation = 0;
    std::uint32_t answers_due = 0;  // a pattern is asked of every shard
    bool open = false;
    bool pattern = false;
    Offset seen = 0;  // of a room by name: it began behind this, or has it
  };
  // Who gets the events of a room.
  struct Route {
    std::vector<SubscriptionId> to;  // joined
    std::uint32_t named = 0;         // subscriptions of this room; 0: some pattern includes it
  };

  // What is published in rooms of one shard since the last flush.
  struct Published {
    std::unique_ptr<PublishBatch> open;  // never empty
    BatchSizes sizes;
  };
  // The names of the publish before, which were good: most come again.
  struct Known {
    std::string room;
    std::string type;
    ShardIndex home;
    bool stored = false;
  };

  void send(ShardIndex shard, ShardMail&& mail);
  void send_batch(ShardIndex shard);
  void add(ShardIndex home, const BatchedPublish& ask);
  [[nodiscard]] Result<void> know_names(const PublishAsk& ask);
  // Places that nothing takes yet.
  [[nodiscard]] std::uint64_t room_at(ShardIndex shard) const;
  void handle(ShardMail&& mail, PortListener& listener);
  void deliver_ahead(PortListener& listener);
  void deliver(EventRef&& event, PortListener& listener);
  [[nodiscard]] bool is_news(SubscriptionId id, const Event& event);
  void tell(SubscriptionId id, const GapMail& gap, PortListener& listener);
  void subscribed(SubscribedMail&& mail, PortListener& listener);
  Subscription* find(SubscriptionId id);
  [[nodiscard]] Result<void> ask_for(SubscriptionId id, std::optional<Position> recover);
  void leave_pattern(const Subscription& gone);
  void leave_room(SubscriptionId id, const Subscription& gone);
  const Route& route(std::string_view room);
  Route& make_route(std::string_view room);
  void forget_passing();
  [[nodiscard]] Result<void> reserve_answer();
  template <class Tell>
  void for_each_in(std::string_view room, Tell tell);

  ShardIndex self_;
  const Config& config_;
  Wakeup wakeup_;
  Mailbox<ShardMail> mailbox_{wakeup_};
  std::unique_ptr<Mailbox<ShardMail>::Receiver> receiver_;
  bool parked_ = false;  // since the last look; only then has anybody written to the descriptor
  Senders shards_;
  std::vector<EventRef> ahead_;  // taken from the mailbox in this drain; before what comes next
  std::vector<Published> published_;  // by shard
  bool any_open_ = false;             // of published_
  Known known_;

  std::vector<Subscription> slots_;
  std::vector<std::uint32_t> free_;
  std::size_t count_ = 0;
  StringMap<Route> routes_;
  const StringMap<Route>::value_type* routed_ = nullptr;  // the last one; the next is mostly its
  std::vector<SubscriptionId> patterns_;                  // joined
  StringMap<std::uint32_t> watched_;                      // how many subscriptions each pattern has
  std::vector<SubscriptionId> telling_;                   // a copy: whoever is told may unsubscribe
  std::uint32_t questions_ = 0;                           // at most mailbox_max wait for answers
};

}  // namespace ringcast
