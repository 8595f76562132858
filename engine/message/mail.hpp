// Everything that travels between threads. Plain values, moved through mailboxes
// (queue/mailbox.hpp).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/ids.hpp"
#include "base/result.hpp"
#include "message/admin.hpp"
#include "message/call_mail.hpp"
#include "message/event.hpp"
#include "message/gap_reason.hpp"
#include "message/outbox_row.hpp"
#include "message/publish_batch.hpp"
#include "message/reply_to.hpp"

namespace ringcast {

// ---- to a home shard ----------------------------------------------------------------------------

// From the source: the event has its offset.
struct StoredMail {
  EventRef event;
};

// From others: home gives it one.
struct PublishMail {
  NewEvent event;
  ReplyTo reply_to;
  std::string user;  // of the publisher, for idempotency_key
  std::string idempotency_key;
  bool id_given = false;
};

// From a port: many at once, all in rooms of the shard that gets it.
struct PublishBatchMail {
  std::unique_ptr<const PublishBatch> batch;
  ConnectionId from;
};

struct SubscribeMail {
  std::string room;
  ReplyTo reply_to;  // the subscriber
  std::optional<Position> recover;
};

// Of a port, to every shard: it watches all rooms that a pattern includes (auth/grants.hpp), or
// does so no more. The beginning is answered by a SubscribedMail without a position.
struct WatchMail {
  enum class Action : std::uint8_t { begin, end };
  std::string pattern;
  ReplyTo reply_to;
  Action action = Action::begin;
};

// The shard has no subscriber of the room any more; of a port: one of its subscriptions that home
// has accepted has ended.
struct LeaveMail {
  std::string room;
  ShardIndex shard;
};

// A user begins or ends to view a room on one connection.
struct PresenceMail {
  enum class Action : std::uint8_t { join, leave, list };
  std::string room;
  std::string user;
  ReplyTo reply_to;
  Action action = Action::join;
  std::string after;        // list: users after this one
  std::uint32_t limit = 0;  // list
};

// The source has (re)opened its store: `store` rooms of this epoch are numbered from floor on and
// were delivered up to top; ready once the replay is over.
struct StoreStateMail {
  Epoch epoch;
  Offset floor = 0;
  Offset top = 0;
  bool ready = false;
};

// The source has handed over everything up to here.
struct StorePositionMail {
  Offset offset = 0;
};

// Answer to IsRecordedMail; an error while the store can not be asked, which is not a no.
struct RecordedMail {
  Position position;
  Result<bool> recorded = false;
};

// ---- from a home shard to a delivering shard, all through one Sender ----------------------------

struct DeliverMail {
  EventRef event;
};

// The answer to a SubscribeMail. `missed` comes before anything live.
struct SubscribedMail {
  std::string room;
  ReplyTo reply_to;
  Position at;                    // where the client's position starts
  std::optional<bool> recovered;  // only if it asked
  std::shared_ptr<const std::vector<EventRef>> missed;
  bool stored = false;         // the room's namespace is `store`: position frames concern it
  bool numbered = true;        // false: namespace without history, no offset and epoch
  std::optional<Error> error;  // then nothing else counts
};

// The numbering of a room began anew under live subscriptions.
struct EpochMail {
  std::string room;
  Position at;
};

// Something is missing for the subscribers of this shard: exclusive from, inclusive to.
struct GapMail {
  using Reason = GapReason;
  std::string room;
  Offset from = 0;
  Offset to = 0;
  Reason reason = Reason::overflow;
};

// Volatile: who is in the room now; the last one wins.
struct PresenceUpdateMail {
  std::string room;
  std::uint32_t count = 0;
  bool listed = false;  // `users` is the full list
  std::vector<std::string> users;
  std::vector<std::string> joined;
  std::vector<std::string> left;
};

// All `store` rooms whose home is this shard are complete up to here.
struct HomePositionMail {
  ShardIndex home;
  Position at;
};

// To a port, from a shard that has found no place there: it comes back when the port has taken all
// that was sent before it, so nobody has to look until then.
struct PlacesMail {
  ShardIndex shard;
  ShardIndex port;
};

struct PresenceListMail {
  ReplyTo reply_to;
  std::string room;
  std::vector<std::string> users;
  std::uint32_t count = 0;
  std::string next;  // empty: no more
};

// ---- answers to a connection --------------------------------------------------------------------

// To a PublishMail or an AppendMail.
struct PublishedMail {
  ReplyTo reply_to;
  std::string room;
  Result<Appended> outcome = Error{};
};

// To a ReadNowMail.
struct ReadNow {
  std::uint64_t published = 0;
  std::uint64_t failed = 0;
  std::uint64_t skipped = 0;
  std::optional<double> oldest_pending_seconds;
};
struct ReadNowAnswerMail {
  ReplyTo reply_to;
  Result<ReadNow> outcome = Error{};
};

// Close every connection with this reason, then end.
struct StopMail {
  bool restart = false;  // 1012 instead of 1001
};

using ShardMail =
    std::variant<std::monostate, StoredMail, PublishMail, PublishBatchMail, SubscribeMail,
                 WatchMail, LeaveMail, PresenceMail, StoreStateMail, StorePositionMail,
                 RecordedMail, DeliverMail, SubscribedMail, EpochMail, GapMail, PresenceUpdateMail,
                 HomePositionMail, PlacesMail, PresenceListMail, PublishedMail, ReadNowAnswerMail,
                 AdminMail, AdminPartMail, AdminPartAnswerMail, AdminAnswerMail, CallMail,
                 CallAnswerMail, HookMail, HookAnswerMail, StopMail>;

// Each of a batch takes a place of its own in a mailbox.
[[nodiscard]] inline std::uint64_t places_of(const ShardMail& mail) {
  const auto* many = std::get_if<PublishBatchMail>(&mail);
  return many == nullptr ? 1 : many->batch->size();
}

// ---- to the source ------------------------------------------------------------------------------

struct AppendMail {
  PlainRow row;
  ReplyTo reply_to;
};

// Read one window of at most `limit` rows now.
struct ReadNowMail {
  std::uint32_t limit = 0;
  ReplyTo reply_to;
};

// Has any daemon recorded this position? Asked by a home shard for a subscriber that is ahead of
// it.
struct IsRecordedMail {
  Position position;
  ShardIndex home;
};

using SourceMail = std::variant<std::monostate, AppendMail, ReadNowMail, IsRecordedMail, StopMail>;

template <>
inline constexpr bool crosses_threads<ShardMail> = true;
template <>
inline constexpr bool crosses_threads<SourceMail> = true;

}  // namespace ringcast
