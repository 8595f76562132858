// The subscribers on one shard, indexed by room and by user.
#pragma once

#include <array>
#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "auth/identity.hpp"
#include "config/config.hpp"
#include "hub/encoder.hpp"
#include "hub/history.hpp"
#include "hub/mesh.hpp"
#include "hub/session.hpp"
#include "message/batch.hpp"
#include "metrics/shard_metrics.hpp"

namespace ringcast {

struct StringHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const {
    return std::hash<std::string_view>{}(text);
  }
};
template <class T>
using StringMap = boost::unordered_flat_map<std::string, T, StringHash, std::equal_to<>>;

struct Subscriber {
  Session* session = nullptr;
  std::uint32_t from_frame = 0;  // in this tick's batch; those before were sent before it joined
};

// A room as this shard sees it: who is here, and what waits for the end of the tick.
struct Channel {
  // An event, or a message of the engine itself (gap, presence, new epoch).
  struct Pending {
    EventRef event;
    std::unique_ptr<const Notice> notice;  // if there is no event
  };

  std::string room;
  const NamespaceConfig* settings = nullptr;
  Epoch epoch;
  bool numbered = true;
  bool stored = false;
  bool dirty = false;
  bool leaving = false;     // home is to be told that nobody is here, as soon as there is room
  std::uint32_t asked = 0;  // subscribes whose answers are on their way
  std::vector<Subscriber> subscribers;
  std::array<std::uint32_t, kEncodings> per_encoding{};
  std::vector<Pending> pending;
  std::uint64_t pending_bytes = 0;  // of their data
  Instant flushed_at = Instant::min();
};

// Delivering side of a shard: mail from home shards in, slices in SendQueues out.
//
// Thread: shard. Lives inside its Hub. A channel exists while somebody is subscribed or has asked,
// and until home knows that nobody is: bounded by connections x rooms_per_connection_max.
class Audience final {
 public:
  Audience(const Config& config, Mesh& mesh, ShardMetrics& metrics);

  void open(Session& session);
  // Who it is, before it subscribes; again for another request on a kept connection.
  void identify(Session& session, std::shared_ptr<const Identity> identity);
  void close(Session& session);  // nothing refers to it afterwards
  void leave_rooms(Session& session);
  [[nodiscard]] Session* find(ConnectionId id);

  // Asks home; the answer comes as SubscribedMail. Checks limits, not grants.
  [[nodiscard]] Result<void> subscribe(Session& session, std::string_view room, std::uint64_t tag,
                                       std::optional<Position> recover);
  // False if it was not subscribed.
  bool unsubscribe(Session& session, std::string_view room);

  void deliver(DeliverMail&& mail);
  void subscribed(SubscribedMail&& mail);
  void epoch_changed(EpochMail&& mail);
  void gap(GapMail&& mail);
  void presence_changed(PresenceUpdateMail&& mail);
  void home_position(const HomePositionMail& mail);

  // A frame for one session alone, behind all that it was given before.
  void reply(Session& session, std::string_view frame);
  // The same beyond every limit, for the frame that says why it ends.
  void last_words(Session& session, std::string_view frame);
  void close_session(Session& session, CloseReason reason);
  void mark_dirty(Session& session);
  // Counts what its queue has dropped.
  void note_losses(Session& session);

  // End of the tick: one batch a dirty room and encoding, one slice or few a subscriber. A room
  // that has sent less than flush_interval_ms ago is held, unless what waits would fill half of a
  // subscriber's queue. `wall` is what the delay since an event's time is measured by.
  void flush_rooms(Instant now, WallTime wall);
  // From here on no room is held: the daemon stops.
  void stop_holding() { holds_ = false; }
  // When the first held room is due; max: none is held.
  [[nodiscard]] Instant next_flush() const { return next_flush_; }
  // Tells home shards of rooms that nobody is in; what finds no place is tried again next time.
  void send_leaves();
  // The tick's batches are sent or referred to: forget them.
  void end_tick();

  // ---- audience_admin.cpp ----
  // The rooms with subscribers here that follow `after` by name, at most `count`, into `names`.
  void add_names(const RoomsAsk& ask, std::size_t count, std::set<std::string_view>& names) const;
  [[nodiscard]] std::uint32_t subscribers(std::string_view room) const;
  // The connections of a user; the list is good until one of them opens, closes or changes.
  [[nodiscard]] const std::vector<Session*>& sessions_of(std::string_view user) const;

  // Sessions with something to send, or to close.
  [[nodiscard]] std::vector<Session*>& dirty() { return dirty_; }
  // Up to where all `store` rooms of this shard are complete; offset 0: not known yet.
  [[nodiscard]] const Position& complete() const { return complete_; }
  [[nodiscard]] bool has_leaves() const { return !leaves_.empty(); }
  [[nodiscard]] std::size_t sessions() const { return sessions_; }
  [[nodiscard]] std::size_t subscriptions() const { return subscriptions_; }
  [[nodiscard]] const NamespaceConfig& settings(std::string_view room) const {
    return namespace_for(config_, room);
  }

 private:
  struct MissedBatch {
    History::Missed missed;  // keeps the key from being used again while it is one
    Encoding encoding;
    std::shared_ptr<Batch> batch;
  };

  void forget_user(Session& session);
  Channel* find_channel(std::string_view room);
  static Session::Subscription* find_subscription(Session& session, const Channel* channel);
  Channel& channel_of(std::string_view room);
  void join(Session& session, Session::Subscription& subscription, Channel& channel);
  void drop(Session& session, std::size_t at);
  void leave_if_empty(Channel& channel);
  void erase_channel(std::string_view room);
  void add_pending(Channel& channel, Channel::Pending&& pending);
  void send_missed(Session& session, const Channel& channel, const SubscribedMail& mail);
  [[nodiscard]] Instant due(const Channel& channel) const;
  void flush_room(Channel& channel);
  void record_delays(const Channel& channel, WallTime wall);
  void mark_excluded(Channel& channel);
  void label(const Channel& channel, Encoding encoding, Batch& batch) const;
  void label(const Channel& channel, Encoding encoding, const History::Missed& missed,
             Batch& batch) const;
  void pushed_slowly(Session& session, SendQueue::Pushed pushed);
  void push_frames(Session& session, const Channel& channel, const Batch& batch,
                   std::uint32_t begin, std::uint32_t end);
  template <class EventAt>
  void push_allowed(Session& session, const Channel& channel, const Batch& batch,
                    std::uint32_t from, EventAt event_at);
  void append_reply(Session& session, std::string_view frame, std::uint64_t bytes_max);
  void make_complete();

  const Config& config_;
  Mesh& mesh_;
  ShardMetrics& metrics_;
  std::vector<Session*> by_slot_;  // the id has the generation
  std::size_t sessions_ = 0;
  StringMap<std::vector<Session*>> by_user_;
  StringMap<std::unique_ptr<Channel>> channels_;
  std::vector<Channel*> dirty_channels_;
  Instant next_flush_ = Instant::max();
  bool holds_ = true;
  std::vector<std::string> leaves_;
  std::vector<Session*> dirty_;
  std::vector<Session*> excluded_;
  std::vector<std::shared_ptr<Batch>> batches_;
  std::shared_ptr<Batch> replies_;
  std::vector<MissedBatch> missed_;
  Encoder encoder_;
  std::size_t subscriptions_ = 0;
  std::vector<Position> home_positions_;
  Position complete_;
};

}  // namespace ringcast
