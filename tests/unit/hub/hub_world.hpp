// Several hubs in one thread, with real mailboxes, a clock that is moved by hand and clients whose
// sockets are strings: everything that the hub does, without sockets and without threads.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hub/hub.hpp"
#include "message/home_shard.hpp"
#include "metrics/shard_metrics.hpp"
#include "queue/mailbox.hpp"

namespace ringcast {

// One message as a client decodes it.
struct Seen {
  std::string type;
  std::string room;
  Offset offset = 0;
  std::string epoch;
  std::optional<bool> recovered;
  std::string data;  // JSON
  std::string id;
  std::string code;  // of an error
  Offset from = 0;   // of a gap
  Offset to = 0;
  std::string reason;
  std::optional<std::vector<std::string>> users;  // of a presence message
  std::vector<std::string> joined;
  std::vector<std::string> left;
  std::uint64_t count = 0;
};

class World;

// A client with its session and its half of the socket.
class Client {
 public:
  Client(World& world, ConnectionId id, Encoding encoding, Peer& peer)
      : session(id, encoding, peer), world_(&world) {}

  Result<void> subscribe(std::string_view room, std::optional<Position> recover = {});
  Result<void> unsubscribe(std::string_view room);
  Result<void> publish(std::string_view room, std::string_view data, PublishAsk more = {});
  Result<void> view(std::string_view room, PresenceMail::Action action);
  void close();
  // Its socket takes everything again, and says so.
  void unblock();

  // What has come since the last call, decoded. Only whole frames.
  std::vector<Seen> take();
  // The same, only those of this type (prefix) and room.
  std::vector<Seen> take(std::string_view type, std::string_view room);

  Session session;
  std::string wire;               // octets that came and were not decoded yet
  std::size_t window = SIZE_MAX;  // octets its socket takes before it is full
  bool open = true;
  std::optional<CloseReason> ended;  // why the hub wanted it closed
  std::vector<PublishedMail> published;
  std::vector<PresenceListMail> pages;
  std::vector<AdminAnswer> told;                           // of the server API
  std::vector<Error> refused;                              // the same, errors
  std::vector<std::pair<std::uint64_t, CallResult>> acks;  // by the tag of the call
  std::vector<Result<std::shared_ptr<const Identity>>> verdicts;
  std::size_t answers = 0;
  std::uint64_t next_tag = 1;

 private:
  World* world_;
};

// Thread: one. Shards tick when the test says so; a stalled one does nothing.
class World : public Peer {
 public:
  explicit World(Config config, std::uint32_t shards = 1, Handlers handlers = {});
  ~World() override;

  static Config config();  // `tenant` and `log` are store, `plain` has none, others have memory
  [[nodiscard]] static NamespaceConfig& row(Config& config, std::string_view name);

  // Everybody may do everything; an empty user is anonymous.
  Client& connect(std::uint32_t shard, std::string user = {}, Encoding encoding = Encoding::native);

  void tick(std::uint32_t shard);
  void settle();  // ticks all that are not stalled until nothing is left to do
  void advance(Millis by);
  void stall(std::uint32_t shard) { shards_[shard]->stalled = true; }
  void unstall(std::uint32_t shard) { shards_[shard]->stalled = false; }

  // ---- the application's port ----
  std::vector<ShardMail> take_port_mail();  // who asks for places is told, as a port does
  void send_from_port(std::uint32_t shard, ShardMail mail);

  // ---- the source ----
  void store_state(const Epoch& epoch, Offset floor, Offset top, bool ready);
  void store_event(std::string_view room, Offset offset, std::string_view exclude = {},
                   std::string_view key = {});
  void store_position(Offset offset);
  void send_from_source(std::uint32_t shard, ShardMail mail);
  std::vector<SourceMail> take_source_mail();
  [[nodiscard]] bool source_waits() const;

  [[nodiscard]] Hub& hub(std::uint32_t shard) { return *shards_[shard]->hub; }
  [[nodiscard]] ShardMetrics& metrics(std::uint32_t shard) { return shards_[shard]->metrics; }
  [[nodiscard]] std::uint32_t shards() const { return static_cast<std::uint32_t>(shards_.size()); }
  [[nodiscard]] Instant now() const { return clock_.now(); }
  [[nodiscard]] const std::vector<std::unique_ptr<Client>>& clients() const { return clients_; }
  // A room of this namespace that is at home on the shard.
  [[nodiscard]] std::string room_at(std::uint32_t shard, std::string_view prefix = "room") const;
  // The mail that would refuse a send from this shard to that.
  void fill_mailbox(std::uint32_t from, std::uint32_t to);

  void subscribed(Session& session, std::uint64_t tag, const SubscribedMail& answer) override;
  void published(Session& session, std::uint64_t tag, const PublishedMail& answer) override;
  void presence_list(Session& session, std::uint64_t tag, const PresenceListMail& answer) override;
  void read_now(Session& session, std::uint64_t tag, const ReadNowAnswerMail& answer) override;
  void admin_answer(Session& session, std::uint64_t tag, const AdminAnswerMail& answer) override;
  void call_answered(Session& session, std::uint64_t tag, const CallResult& result,
                     const Uuid& correlation_id) override;
  void hook_answered(Session& session, std::uint64_t tag, HookKind kind,
                     const Result<std::shared_ptr<const Identity>>& verdict) override;
  void unsubscribed(Session& session, std::string_view room, std::string_view reason) override;

 private:
  friend class Client;
  struct Shard {
    ShardMetrics metrics;
    Wakeup wakeup;
    Mailbox<ShardMail> mailbox{wakeup};
    Mailbox<ShardMail>::Receiver receiver{mailbox};
    std::unique_ptr<Hub> hub;
    std::uint32_t next_slot = 0;
    bool stalled = false;
  };
  Client& of(const Session& session);
  void write(Session& session, std::string_view json);
  bool flush_source();
  bool is_quiet(std::uint32_t shard) const;
  std::size_t drain(Shard& shard);
  void flush(Shard& shard);
  void send(Client& client);

  Config config_;
  Handlers handlers_;
  ManualClock clock_;
  Wakeup source_wakeup_;
  Mailbox<SourceMail> source_mailbox_{source_wakeup_};
  Mailbox<SourceMail>::Receiver source_receiver_{source_mailbox_};
  Wakeup port_wakeup_;
  Mailbox<ShardMail> port_mailbox_{port_wakeup_};
  Mailbox<ShardMail>::Receiver port_receiver_{port_mailbox_};
  std::vector<std::unique_ptr<Shard>> shards_;
  std::vector<ShardSender> port_;
  std::vector<ShardSender> source_;
  std::vector<std::deque<ShardMail>> source_waiting_;
  std::vector<std::unique_ptr<Client>> clients_;
};

// The events among what was seen, as "offset:data".
[[nodiscard]] std::vector<std::string> events_of(const std::vector<Seen>& seen);

}  // namespace ringcast
