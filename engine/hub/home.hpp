// The rooms whose home is this shard.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/config.hpp"
#include "hub/audience.hpp"
#include "hub/mesh.hpp"
#include "hub/room.hpp"
#include "metrics/shard_metrics.hpp"

namespace ringcast {

// Numbering side of a shard: dedupe, offset, history, presence, and who is to get an event.
//
// Thread: home shard. Lives inside its Hub. Holds at most rooms_max rooms a namespace: beyond it
// publishing and subscribing are errors; an outbox row is never one of them: without a place for
// its room, it goes to nobody and raises the floor of rooms that come later.
class Home final {
 public:
  enum class Published : std::uint8_t { done, busy };

  Home(const Config& config, Mesh& mesh, ShardMetrics& metrics);

  // `busy`: nothing has happened and the mail is untouched.
  [[nodiscard]] Published publish_stored(StoredMail& mail, Instant now);
  void publish(PublishMail& mail, Instant now);
  void subscribe(SubscribeMail&& mail, Instant now);
  void leave(const LeaveMail& mail, Instant now);
  // Of a port: all rooms that the pattern includes, those that are there and those that come.
  void watch(WatchMail&& mail);
  void presence(PresenceMail&& mail, Instant now);
  void store_state(StoreStateMail&& mail, Instant now);
  void store_position(const StorePositionMail& mail, Instant now);
  void recorded(const RecordedMail& mail, Instant now);

  // ---- home_admin.cpp ----
  [[nodiscard]] Result<HistoryPage> history(const HistoryAsk& ask, Instant now);
  // The rooms that follow `after` in the order of their names, at most `count`, into `names`.
  void add_names(const RoomsAsk& ask, std::size_t count, std::set<std::string_view>& names) const;
  void describe(RoomRow& row) const;

  // What has become due: presence, expiry, waiting subscribes, shards that stood still, positions.
  void run(Instant now);
  [[nodiscard]] std::optional<Instant> next_deadline() const;
  // Some shard has no place for what is due, or stands still: nobody wakes us when that changes, so
  // run() has to look again soon. A port tells.
  [[nodiscard]] bool waits_for_places() const;

  [[nodiscard]] bool store_ready() const { return store_.ready; }
  [[nodiscard]] std::size_t rooms() const { return rooms_.size(); }
  // Of ports, by name.
  [[nodiscard]] std::size_t subscriptions_in_process() const { return in_process_; }

 private:
  // A subscribe to a `store` room that can not be answered yet.
  struct Waiting {
    enum class For : std::uint8_t { ready, recorded, position };
    SubscribeMail mail;
    Instant deadline;
    For what = For::ready;
  };
  struct Store {
    Epoch epoch;
    Offset floor = 0;
    Offset top = 0;
    Offset before_top = 0;  // the top before the last window
    bool ready = false;
    bool was_ready = false;  // in this epoch
  };
  struct Namespace {
    std::uint32_t rooms = 0;
    Offset ended_floor = 0;  // what `store` rooms that are no more had dropped
  };
  struct Watch {
    std::string pattern;
    ShardIndex port;
    bool operator==(const Watch&) const = default;
  };
  // How a shard takes what it is sent.
  struct Flow {
    std::optional<Instant> busy_since;
    bool out = false;  // left the audience, until it has what it missed: stall_ms without a place
  };

  Room* find(std::string_view room);
  Result<Room*> find_or_make(std::string_view room);
  Room& make(std::string_view room, const NamespaceConfig& row);
  [[nodiscard]] ShardSet recipients(const Room& room) const;
  [[nodiscard]] Offset top_of(const Room& room) const;
  [[nodiscard]] bool has_places(const Room& room, Instant now);
  void fan_out(Room& room, const EventRef& event);
  void publish_new(Room& room, PublishMail& mail, Instant now);
  void answer(const ReplyTo& to, std::string_view room, Result<Appended> outcome);
  void refuse(const SubscribeMail& mail, Error error);
  bool wait_if_needed(SubscribeMail& mail, Instant now);
  void joined_in_process(Room& room, ShardIndex port);
  [[nodiscard]] bool last_in_process(Room& room, ShardIndex port);
  void answer_subscribe(Room& room, const SubscribeMail& mail, Instant now);
  void retry_waiting(Instant now);
  void raise_floor(Offset floor);
  void queue_check(Room& room, Instant at);
  void idle_from(Room& room, Instant now);
  void check_rooms(Instant now);
  void check_room(Room& room, Instant now);
  void queue_presence(Room& room);
  void announce_presence(Instant now);
  void bring_back_shards(Instant now);
  [[nodiscard]] bool catch_up(ShardIndex shard, Instant now);
  [[nodiscard]] bool catch_up(Room& room, ShardIndex shard, Instant now);
  void send_position();

  const Config& config_;
  Mesh& mesh_;
  ShardMetrics& metrics_;
  StringMap<std::unique_ptr<Room>> rooms_;
  std::map<std::string_view, Namespace> namespaces_;  // by the name in config_
  Store store_;
  std::vector<Waiting> waiting_;
  std::set<std::pair<Instant, Room*>> checks_;
  std::vector<Watch> watches_;  // patterns of ports; few
  std::size_t in_process_ = 0;  // subscriptions of ports to rooms by name
  std::vector<Room*> presence_;
  Instant presence_at_ = Instant::max();  // when the first of them is due
  bool presence_blocked_ = false;         // one is due and found no place
  std::vector<Flow> flow_;
  std::vector<std::string> behind_;  // rooms with a Behind
  ShardSet position_due_;
};

}  // namespace ringcast
