// The native protocol on one shard (docs/native-protocol.md).
#pragma once

#include <string>
#include <string_view>

#include "hub/session.hpp"
#include "net/connection.hpp"
#include "protocol/native.hpp"
#include "wire/websocket_handshake.hpp"

namespace ringcast {

class Connections;

// Turns messages of clients into asks to the hub, and its answers into messages.
//
// Thread: shard. One for all native sessions of the shard, without state of its own. A connection
// is closed after errors_max answered errors.
class NativePeer final : public Peer {
 public:
  static constexpr std::size_t kDeferredMax = 64;  // behind one open subscribe

  explicit NativePeer(Connections& connections) : connections_(connections) {}

  // After the upgrade: says hello.
  void opened(Connection& connection);
  // Instead of that: the application does not let it in.
  void refused(Connection& connection, const Error& error);
  void message(Connection& connection, std::string_view text);
  // With each ping: up to where the `store` rooms of this connection are complete.
  void write_position(Connection& connection);

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
  static constexpr std::uint64_t kNothingKept = 0;  // the tag of questions without an id

  void request(Connection& connection, std::string_view id, protocol::SubscribeRequest&& ask);
  void request(Connection& connection, std::string_view id, protocol::UnsubscribeRequest&& ask);
  void request(Connection& connection, std::string_view id, protocol::PublishRequest&& ask);
  void request(Connection& connection, std::string_view id, protocol::PresenceRequest&& ask);
  void request(Connection& connection, std::string_view id, protocol::PingRequest&& ask);
  void request(Connection& connection, std::string_view id, protocol::AuthRequest&& ask);
  void request(Connection& connection, std::string_view id, protocol::CallRequest&& ask);
  void renew(Connection& connection, std::string_view id, std::shared_ptr<const Identity> identity);
  void fail_call(Connection& connection, std::string_view id, const CallError& error,
                 const Uuid& correlation_id);
  void error(Connection& connection, std::string_view id, const Error& error);
  std::uint64_t remember(Connection& connection, std::string_view id, std::string_view room);
  template <class Request>
  bool defer(Connection& connection, std::string_view id, Request& ask);
  void forget(Connection& connection, std::uint64_t tag);
  Connection::Asked take(Connection& connection, std::uint64_t tag);
  void write(Connection& connection);

  Connections& connections_;
  std::string json_;
};

}  // namespace ringcast
