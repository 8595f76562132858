#include "hub/hub.hpp"

#include <algorithm>
#include <utility>

namespace ringcast {

Hub::Hub(const Config& config, const Handlers& handlers, Mesh mesh, ShardMetrics& metrics)
    : mesh_(std::move(mesh)),
      metrics_(metrics),
      config_(config),
      audience_(config, mesh_, metrics),
      calls_(config, handlers, mesh_, audience_, metrics),
      home_(config, mesh_, metrics) {}

Session* Hub::asker(const ReplyTo& to) {
  Session* session = audience_.find(to.connection);
  if (session == nullptr) {
    metrics_.answers_to_gone.add();
    return nullptr;
  }
  answered(*session);
  return session;
}

bool Hub::handle(ShardMail&& mail, Instant now) {
  struct Visitor {
    Hub& hub;
    Instant now;
    bool operator()(std::monostate) { return true; }
    bool operator()(StoredMail& m) {
      return hub.home_.publish_stored(m, now) == Home::Published::done;
    }
    bool operator()(PublishMail& m) { return hub.home_.publish(m, now), true; }
    bool operator()(PublishBatchMail& m) {
      m.batch->for_each([&](const BatchedPublish& one) {
        PublishMail each = publish_mail(unbatched(one), one.time, {}, {m.from, one.tag});
        hub.home_.publish(each, now);
      });
      return true;
    }
    bool operator()(SubscribeMail& m) { return hub.home_.subscribe(std::move(m), now), true; }
    bool operator()(WatchMail& m) { return hub.home_.watch(std::move(m)), true; }
    bool operator()(LeaveMail& m) { return hub.home_.leave(m, now), true; }
    bool operator()(PresenceMail& m) { return hub.home_.presence(std::move(m), now), true; }
    bool operator()(StoreStateMail& m) { return hub.home_.store_state(std::move(m), now), true; }
    bool operator()(StorePositionMail& m) { return hub.home_.store_position(m, now), true; }
    bool operator()(RecordedMail& m) { return hub.home_.recorded(m, now), true; }
    bool operator()(DeliverMail& m) { return hub.audience_.deliver(std::move(m)), true; }
    bool operator()(SubscribedMail& m) {
      if (Session* session = hub.audience_.find(m.reply_to.connection)) hub.answered(*session);
      return hub.audience_.subscribed(std::move(m)), true;
    }
    bool operator()(EpochMail& m) { return hub.audience_.epoch_changed(std::move(m)), true; }
    bool operator()(GapMail& m) { return hub.audience_.gap(std::move(m)), true; }
    bool operator()(PresenceUpdateMail& m) {
      return hub.audience_.presence_changed(std::move(m)), true;
    }
    bool operator()(HomePositionMail& m) { return hub.audience_.home_position(m), true; }
    bool operator()(PlacesMail& m) { return hub.mesh_.told_of_places(m.port), true; }
    bool operator()(PresenceListMail& m) {
      if (Session* session = hub.asker(m.reply_to))
        session->peer->presence_list(*session, m.reply_to.tag, m);
      return true;
    }
    bool operator()(PublishedMail& m) {
      if (Session* session = hub.asker(m.reply_to))
        session->peer->published(*session, m.reply_to.tag, m);
      return true;
    }
    bool operator()(ReadNowAnswerMail& m) {
      if (Session* session = hub.asker(m.reply_to))
        session->peer->read_now(*session, m.reply_to.tag, m);
      return true;
    }
    bool operator()(AdminMail& m) { return hub.administer(std::move(m)), true; }
    bool operator()(AdminPartMail& m) { return hub.answer_part(m, now), true; }
    bool operator()(AdminPartAnswerMail& m) { return hub.gather(std::move(m)), true; }
    bool operator()(AdminAnswerMail& m) {
      if (Session* session = hub.asker(m.reply_to))
        session->peer->admin_answer(*session, m.reply_to.tag, m);
      return true;
    }
    bool operator()(CallAnswerMail& m) { return hub.calls_.answered(std::move(m), now), true; }
    bool operator()(HookAnswerMail& m) { return hub.calls_.answered(std::move(m), now), true; }
    bool operator()(CallMail&) { return misdirected(); }
    bool operator()(HookMail&) { return misdirected(); }
    bool operator()(StopMail&) { return misdirected(); }
    static bool misdirected() { return ensure(false, "mail for the loop or a port"), true; }
  };
  return std::visit(Visitor{*this, now}, mail);
}

void Hub::handle_local(std::size_t max, Instant now) {
  for (std::size_t i = 0; i < max; ++i) {
    const bool any = mesh_.handle_next_local([&](ShardMail&& mail) {
      const bool done = handle(std::move(mail), now);
      ensure(done, "mail of a shard to itself is never mail of the source");
    });
    if (!any) return;
  }
}

void Hub::run(Instant now) {
  std::vector<PresenceMail> unsent = std::move(unsent_);
  unsent_.clear();
  for (PresenceMail& mail : unsent) send_presence(std::move(mail));
  if (audience_.has_leaves()) audience_.send_leaves();
  calls_.run(now);
  home_.run(now);
}

Instant Hub::next_deadline() const {
  return std::min({home_.next_deadline().value_or(Instant::max()), audience_.next_flush(),
                   calls_.next_deadline().value_or(Instant::max())});
}

bool Hub::has_unsent() const {
  return !unsent_.empty() || audience_.has_leaves() || home_.waits_for_places();
}

}  // namespace ringcast
