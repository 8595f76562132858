// One shard's rooms, subscribers and mail: what the loop drives and what sessions ask.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hub/audience.hpp"
#include "hub/calls.hpp"
#include "hub/home.hpp"
#include "hub/mesh.hpp"
#include "hub/publish_ask.hpp"
#include "hub/session.hpp"

namespace ringcast {

// Home and Audience of one shard, and the way between them.
//
// Thread: shard. Lives as long as its shard. No sockets, no clock: the time comes with each call.
// Every ask is answered exactly once: by its Result if it failed at once, else by the session's
// Peer under the same tag; a session has at most questions_max of them open.
class Hub final {
 public:
  static constexpr std::uint32_t kQuestionsMax = 1'024;  // a session

  Hub(const Config& config, const Handlers& handlers, Mesh mesh, ShardMetrics& metrics);

  // False: no place for it now. It is untouched and has to be offered again; only for mail of the
  // source.
  [[nodiscard]] bool handle(ShardMail&& mail, Instant now);
  // Mail to itself, until none is left or `max` was handled.
  void handle_local(std::size_t max, Instant now);

  // ---- what sessions ask; each checks the session's grants ----
  void open(Session& session) { audience_.open(session); }
  void close(Session& session);
  // Ends its subscriptions and its presence. It stays open, for its last words.
  void leave_rooms(Session& session);
  [[nodiscard]] Result<void> subscribe(Session& session, std::uint64_t tag, std::string_view room,
                                       std::optional<Position> recover, Instant now);
  [[nodiscard]] Result<void> unsubscribe(Session& session, std::string_view room);
  // `time` is when it happens for the publisher. The server API asks with Authority::server.
  enum class Authority : std::uint8_t { grants, server };
  [[nodiscard]] Result<void> publish(Session& session, std::uint64_t tag, PublishAsk ask,
                                     WallTime time, Authority authority);
  // An outbox row as an application would write it (dev mode).
  [[nodiscard]] Result<void> insert_row(Session& session, std::uint64_t tag, PlainRow row);
  [[nodiscard]] Result<void> view(Session& session, std::string_view room,
                                  PresenceMail::Action action);
  [[nodiscard]] Result<void> list_viewers(Session& session, std::uint64_t tag,
                                          std::string_view room, std::string_view after,
                                          std::uint32_t limit, Authority authority);
  [[nodiscard]] Result<void> read_now(Session& session, std::uint64_t tag, std::uint32_t limit);
  // Whatever message/admin.hpp lists; the caller has proved that it is a server.
  [[nodiscard]] Result<void> administer(Session& session, std::uint64_t tag, AdminAsk ask);
  // A new token of the same user: rooms that it does not cover any more are unsubscribed.
  void renew(Session& session, std::shared_ptr<const Identity> identity);

  // ---- the tick ----
  void run(Instant now);
  // Max: nothing is due.
  [[nodiscard]] Instant next_deadline() const;
  [[nodiscard]] Audience& audience() { return audience_; }
  [[nodiscard]] Calls& calls() { return calls_; }
  [[nodiscard]] Mesh& mesh() { return mesh_; }
  [[nodiscard]] const Home& home() const { return home_; }
  // Something could not be sent for lack of places at a shard and is tried again each time run() is
  // called. Ports are not among them: they tell when they have places, see Mesh::ask_for_places().
  [[nodiscard]] bool has_unsent() const;

 private:
  [[nodiscard]] Result<void> ask(Session& session);
  void answered(Session& session) { --session.questions; }
  Session* asker(const ReplyTo& to);
  void tell_presence(const Session& session, std::string_view room, PresenceMail::Action action);
  void send_presence(PresenceMail&& mail);

  // ---- hub_admin.cpp: asks that concern several shards, gathered at the one that was asked ----
  struct Gathering {
    ReplyTo reply_to;
    std::shared_ptr<const AdminAsk> ask;
    std::uint32_t missing = 0;  // parts that have not come
    std::unique_ptr<AdminAnswer> sum;
  };
  void administer(AdminMail&& mail);
  [[nodiscard]] Result<void> begin_gathering(const ReplyTo& to,
                                             std::shared_ptr<const AdminAsk> ask);
  void answer_part(const AdminPartMail& mail, Instant now);
  void gather(AdminPartAnswerMail&& mail);
  [[nodiscard]] RoomsPage list_rooms(const RoomsAsk& ask) const;
  [[nodiscard]] Kicked kick(const KickAsk& ask);
  void kick_from_room(Session& session, const std::string& room, Kicked& kicked);

  Mesh mesh_;
  ShardMetrics& metrics_;
  const Config& config_;
  Audience audience_;
  Calls calls_;
  Home home_;
  // At most admin_asks_max; beyond it RATE_LIMITED.
  boost::unordered_flat_map<std::uint64_t, Gathering> gatherings_;
  std::uint64_t next_gathering_ = 1;
  std::vector<PresenceMail> unsent_;  // bounded by sessions x rooms_per_connection_max
};

}  // namespace ringcast
