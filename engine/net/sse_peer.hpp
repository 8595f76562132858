// Server-Sent Events for one room, resumable by Last-Event-ID.
#pragma once

#include <string>

#include "hub/session.hpp"
#include "net/connection.hpp"
#include "wire/http_request.hpp"

namespace ringcast {

class Connections;

// A stream is a session with one subscription that never asks for anything else.
//
// Thread: shard. One for all streams of the shard, without state of its own.
class SsePeer final : public Peer {
 public:
  explicit SsePeer(Connections& connections) : connections_(connections) {}

  // GET /sse?room=R[&lastEventId=…]. The head goes out with the answer to the subscribe, so that a
  // refusal still has its status.
  void handle(Connection& connection, const wire::HttpRequest& request);
  // The same request, once it is known whose it is.
  void open(Connection& connection, const wire::HttpRequest& request);
  // Keeps proxies from closing it; in a `store` room it also moves the client's position.
  void beat(Connection& connection);

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
  Connections& connections_;
};

}  // namespace ringcast
