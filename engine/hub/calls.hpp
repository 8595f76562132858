// What one shard has asked of the application and waits for.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/slot_map.hpp"
#include "config/config.hpp"
#include "hub/audience.hpp"
#include "hub/breakers.hpp"
#include "hub/handlers.hpp"
#include "hub/mesh.hpp"
#include "hub/verdicts.hpp"
#include "metrics/shard_metrics.hpp"

namespace ringcast {

// A call as a session makes it; its text is looked at during the call alone.
struct CallAsk {
  std::string_view event;
  Payload data;
  std::string_view idempotency_key;
  WallTime time{};
};

// Hands calls and hooks to the application's ports, reserves the place of each answer, and gives up
// on answers that do not come.
//
// Thread: shard. Lives inside its Hub. Holds calls_max open questions: one more is refused at once,
// as is one more than calls_per_connection_max of a connection. An answer that comes later than
// answer_ms, or whose connection has gone, is a counted no-op. Calls of a handler that crashes are
// refused as its breaker says.
class Calls final {
 public:
  Calls(const Config& config, const Handlers& handlers, Mesh& mesh, Audience& audience,
        ShardMetrics& metrics);

  // ---- each is answered by the session's Peer, unless the Result is an error ----
  [[nodiscard]] Result<void> call(Session& session, std::uint64_t tag, CallAsk ask, Instant now);
  // Whom this token belongs to. There has to be a hook for it.
  [[nodiscard]] Result<void> identify(Session& session, std::uint64_t tag, std::string_view token,
                                      Instant now);
  // False: nobody wants to be asked.
  [[nodiscard]] Result<bool> connect(Session& session, std::uint64_t tag, Instant now);
  // Subscribes it if the application allows that; `hook` is from judged_by().
  [[nodiscard]] Result<void> subscribe(Session& session, std::uint64_t tag, HandlerIndex hook,
                                       std::string_view room, std::optional<Position> recover,
                                       Instant now);

  // Who judges subscriptions to the room; none: its grants.
  [[nodiscard]] std::optional<HandlerIndex> judged_by(std::string_view room) const {
    return handlers_.find_authorize(room);
  }
  // The connection is open: from now on its end is told, if the application wants to know.
  void announce(Session& session);
  // It has ended, or is about to.
  void left(Session& session);

  void answered(CallAnswerMail&& mail, Instant now);
  void answered(HookAnswerMail&& mail, Instant now);
  void run(Instant now);
  [[nodiscard]] std::optional<Instant> next_deadline() const;
  [[nodiscard]] std::uint32_t open() const { return open_.size(); }

 private:
  struct Open {
    ConnectionId connection;
    std::uint64_t tag = 0;
    HandlerIndex handler;
    Uuid correlation_id;
    std::string room;                 // of a subscription
    std::optional<Position> recover;  // of a subscription
    bool trial = false;               // of a handler that has crashed, see Breakers
  };
  struct Due {
    Instant at;
    SlotId question;
  };

  [[nodiscard]] Result<SlotId> reserve(Session& session, std::uint64_t tag, HandlerIndex handler,
                                       Instant now);
  [[nodiscard]] Result<SlotId> ask_hook(Session& session, std::uint64_t tag, HandlerIndex handler,
                                        std::string_view subject, Instant now);
  [[nodiscard]] bool send(Session& session, ShardMail&& mail);
  void send_unsent();
  [[nodiscard]] Result<void> hand_over(Session& session, SlotId question, HandlerIndex handler,
                                       ShardMail&& mail);
  void release(Session& session, SlotId question);
  [[nodiscard]] std::optional<Open> take(std::uint64_t question);
  [[nodiscard]] Session* asker(const Open& open);
  [[nodiscard]] Error refused(HandlerIndex handler, Error error);
  [[nodiscard]] Result<void> hand_over_call(Session& session, std::uint64_t tag, CallAsk&& ask,
                                            HandlerIndex handler, bool trial, Instant now);
  void finish(const Open& open, const CallResult& result);
  void finish(Open&& open, const Result<std::shared_ptr<const Identity>>& verdict, Instant now);
  void finish_subscribe(Session& session, Open&& open,
                        const Result<std::shared_ptr<const Identity>>& verdict, Instant now);
  void trim_due();
  const std::shared_ptr<const RoomSet>& rooms_of(Session& session);

  const Config& config_;
  const Handlers& handlers_;
  Mesh& mesh_;
  Audience& audience_;
  ShardMetrics& metrics_;
  Verdicts verdicts_;
  SlotMap<Open> open_;
  Breakers breakers_;
  std::deque<Due> due_;           // in order; some are answered already, see trim_due()
  std::vector<HookMail> unsent_;  // ends that found no place; at most calls_max
};

}  // namespace ringcast
