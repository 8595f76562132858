// What a connection may do and where it is.
#pragma once

#include <cstdint>
#include <forward_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/identity.hpp"
#include "base/clock.hpp"
#include "base/ids.hpp"
#include "hub/caller.hpp"
#include "hub/send_queue.hpp"
#include "message/close_reason.hpp"
#include "message/mail.hpp"

namespace ringcast {

struct Channel;
class Session;

// What a transport does with answers to its sessions. One object per protocol and shard (net's
// peers), so a session costs a pointer.
//
// Thread: shard. Called while mail is handled, never inside a call that a session made.
class Peer {
 public:
  virtual ~Peer() = default;
  virtual void subscribed(Session& session, std::uint64_t tag, const SubscribedMail& answer) = 0;
  virtual void published(Session& session, std::uint64_t tag, const PublishedMail& answer) = 0;
  virtual void presence_list(Session& session, std::uint64_t tag,
                             const PresenceListMail& answer) = 0;
  virtual void read_now(Session& session, std::uint64_t tag, const ReadNowAnswerMail& answer) = 0;
  virtual void admin_answer(Session& session, std::uint64_t tag, const AdminAnswerMail& answer) = 0;
  virtual void call_answered(Session& session, std::uint64_t tag, const CallResult& result,
                             const Uuid& correlation_id) = 0;
  // To connect and session_token.
  virtual void hook_answered(Session& session, std::uint64_t tag, HookKind kind,
                             const Result<std::shared_ptr<const Identity>>& verdict) = 0;
  // A subscription ended without having been asked to: its grant is gone, or a server ended it.
  virtual void unsubscribed(Session& session, std::string_view room, std::string_view reason) = 0;
};

// Identity, grants, subscriptions and the send queue of one connection.
//
// Thread: shard. Lives inside its connection (net), which opens it at the hub and closes it there
// before it ends. Bounded by rooms_per_connection_max and questions_max.
class Session final {
 public:
  // A room it is subscribed to, or has asked for.
  struct Subscription {
    Channel* channel = nullptr;
    std::uint32_t index = 0;  // among the channel's subscribers, once joined
    bool joined = false;      // false: the answer is on its way
    std::uint64_t tag = 0;    // of the question
  };

  Session(ConnectionId connection, Encoding how, Peer& protocol)
      : id(connection), encoding(how), peer(&protocol) {}
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  [[nodiscard]] bool may(Verb verb, std::string_view room) const {
    return identity && identity->grants.allows(verb, room);
  }
  // It showed an API key: every room, whatever its namespace lets clients do.
  [[nodiscard]] bool is_server() const { return identity && identity->server; }
  // Empty: anonymous.
  [[nodiscard]] std::string_view user() const {
    return identity ? std::string_view(identity->user) : std::string_view();
  }
  // When it ends unless it is renewed.
  [[nodiscard]] std::optional<WallTime> expires() const {
    return identity ? identity->expires_at : std::nullopt;
  }

  ConnectionId id;
  Encoding encoding;
  Peer* peer;
  std::shared_ptr<const Identity> identity;  // none: it may do nothing. All anonymous ones share it
  SendQueue queue;
  std::vector<Subscription> subscriptions;
  std::forward_list<std::string> viewing;  // rooms whose presence it has joined
  std::optional<CloseReason> closing;      // net ends the connection at the end of the tick
  std::unique_ptr<Caller> caller;          // none: it has asked nothing of the application
  std::uint64_t reply_bytes = 0;           // of answers since the last visit of its socket
  std::uint32_t questions = 0;             // asked and not yet answered
  bool dirty = false;                      // in the hub's list of sessions to flush
  bool excluded = false;                   // some event of this tick is not for this user
  bool opened = false;
};

}  // namespace ringcast
