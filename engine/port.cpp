#include "port.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "auth/grants.hpp"
#include "message/home_shard.hpp"
#include "message/names.hpp"

namespace ringcast {

namespace {

// Rooms whose route is known because a pattern includes them alone; beyond it they are found anew.
constexpr std::size_t kPassingMax = 16'384;
// What is copied twice, into the batch and into its event; a larger one is copied once, here.
constexpr std::size_t kBatchedDataBytesMax = 4'096;

bool goes_in_a_batch(const PublishAsk& ask) {
  const auto* text = std::get_if<std::string_view>(&ask.data);
  return text != nullptr && text->size() <= kBatchedDataBytesMax;
}

// Events that are on their way into the cache while those before them are handed over: what a shard
// has made or numbered lies in another core's, and waiting for it there is most of what one costs.
constexpr std::size_t kAheadMax = 32;

void fetch_ahead(const Event& event) {
  constexpr std::size_t kLine = 64;
  constexpr std::size_t kLines = 6;  // the count of references before it, its room and text behind
  const char* const at = reinterpret_cast<const char*>(&event) - kLine / 2;
  for (std::size_t i = 0; i < kLines; ++i) __builtin_prefetch(at + i * kLine, 1);
}

}  // namespace

Port::Port(ShardIndex self, const Config& config)
    : self_(self),
      config_(config),
      receiver_(std::make_unique<Mailbox<ShardMail>::Receiver>(mailbox_)) {
  ahead_.reserve(kAheadMax);
}

Port::~Port() = default;

void Port::connect(const std::vector<std::unique_ptr<Mailbox<ShardMail>>>& shards,
                   Mailbox<SourceMail>* source) {
  std::vector<ShardSender> to;
  for (const auto& mailbox : shards) to.push_back(mailbox->open(config_.engine.mailbox_max));
  std::optional<SourceSender> to_source;
  if (source != nullptr) to_source = source->open(config_.engine.mailbox_max);
  shards_ = Senders(std::move(to), std::move(to_source));
  published_.resize(shards_.size());
}

// ---- what comes --------------------------------------------------------------------------------

bool Port::drain(std::size_t max, PortListener& listener) {
  if (std::exchange(parked_, false)) wakeup_.drain();
  const auto take = [&](ShardMail&& mail) {
    handle(std::move(mail), listener);
    return true;
  };
  const std::size_t taken = receiver_->drain(max, take);
  deliver_ahead(listener);
  if (taken >= max) return true;
  // The last look comes after the flag, see Wakeup.
  wakeup_.park();
  parked_ = true;
  if (receiver_->drain(max, take) == 0) return false;
  deliver_ahead(listener);
  wakeup_.unpark();
  return true;
}

template <class Tell>
void Port::for_each_in(std::string_view room, Tell tell) {
  const Route& to = route(room);
  if (to.to.size() == 1) return tell(SubscriptionId(to.to.front()));
  telling_ = to.to;
  for (std::size_t i = 0; i < telling_.size(); ++i)
    if (find(telling_[i]) != nullptr) tell(telling_[i]);
}

void Port::handle(ShardMail&& mail, PortListener& listener) {
  if (auto* event = std::get_if<DeliverMail>(&mail)) {
    fetch_ahead(*event->event);
    ahead_.push_back(std::move(event->event));
    if (ahead_.size() == kAheadMax) deliver_ahead(listener);
    return;
  }
  deliver_ahead(listener);
  if (auto* answer = std::get_if<PublishedMail>(&mail)) {
    if (answer->reply_to.tag != ReplyTo::kErrorsOnly) answered();
    listener.published(answer->reply_to.tag, *answer);
  } else if (auto* joined = std::get_if<SubscribedMail>(&mail)) {
    subscribed(std::move(*joined), listener);
  } else if (auto* gap = std::get_if<GapMail>(&mail)) {
    for_each_in(gap->room, [&](SubscriptionId id) { tell(id, *gap, listener); });
  } else if (auto* epoch = std::get_if<EpochMail>(&mail)) {
    for_each_in(epoch->room, [&](SubscriptionId id) {
      slots_[id.index].seen = 0;
      listener.epoch_changed(id, *epoch);
    });
  } else if (auto* users = std::get_if<PresenceUpdateMail>(&mail)) {
    for_each_in(users->room, [&](SubscriptionId id) { listener.presence_changed(id, *users); });
  } else if (auto* page = std::get_if<PresenceListMail>(&mail)) {
    answered();
    listener.presence_list(page->reply_to.tag, *page);
  } else if (auto* places = std::get_if<PlacesMail>(&mail)) {
    // Not with the next flush(), which may be far: the shard waits for it.
    shards_.send(places->shard, PlacesMail(*places));
    shards_.wake_touched();
  } else {
    listener.mail(std::move(mail));
  }
}

void Port::deliver_ahead(PortListener& listener) {
  for (EventRef& event : ahead_) deliver(std::move(event), listener);
  ahead_.clear();
}

void Port::deliver(EventRef&& event, PortListener& listener) {
  const Route& to = route(event->room);
  if (to.to.size() == 1) {
    const SubscriptionId id = to.to.front();
    if (is_news(id, *event)) listener.event(id, std::move(event));
    return;
  }
  telling_ = to.to;
  for (std::size_t i = 0; i < telling_.size(); ++i)
    if (find(telling_[i]) != nullptr && is_news(telling_[i], *event))
      listener.event(telling_[i], event);
}

// What the port has missed comes for the room, also to who has joined meanwhile.
bool Port::is_news(SubscriptionId id, const Event& event) {
  Subscription& to = slots_[id.index];
  if (event.offset == 0 || to.pattern) return true;
  if (event.offset <= to.seen) return false;
  to.seen = event.offset;
  return true;
}

void Port::tell(SubscriptionId id, const GapMail& gap, PortListener& listener) {
  Subscription& to = slots_[id.index];
  if (gap.to == 0 || to.pattern) return listener.gap(id, gap);
  if (gap.to <= to.seen) return;
  GapMail missed = gap;
  missed.from = std::max(gap.from, to.seen);
  to.seen = gap.to;
  listener.gap(id, missed);
}

void Port::subscribed(SubscribedMail&& mail, PortListener& listener) {
  const SubscriptionId id = mail.reply_to.connection.slot;
  Subscription* subscription = find(id);
  if (subscription == nullptr) {
    // It ended before home had accepted it.
    if (mail.error || is_pattern(mail.room)) return;
    send(home_shard(mail.room, shards()), LeaveMail{mail.room, self_});
    return shards_.wake_touched();
  }
  if (mail.error) {
    listener.subscribed(id, mail);
    if (find(id) != nullptr) unsubscribe(id);
    return;
  }
  if (--subscription->answers_due != 0) return;
  if (subscription->pattern) {
    patterns_.push_back(id);
    forget_passing();
    for (auto& [room, to] : routes_)
      if (pattern_includes(subscription->room, room)) to.to.push_back(id);
  } else {
    make_route(subscription->room).to.push_back(id);
  }
  subscription->seen = mail.at.offset;
  listener.subscribed(id, mail);
  if (!mail.missed) return;
  for (const EventRef& event : *mail.missed) {
    if (find(id) == nullptr) return;
    if (is_news(id, *event)) listener.event(id, event);
  }
}

Port::Subscription* Port::find(SubscriptionId id) {
  if (id.index >= slots_.size()) return nullptr;
  Subscription& subscription = slots_[id.index];
  return subscription.open && subscription.generation == id.generation ? &subscription : nullptr;
}

// The route of a room, made if it is not known, with all patterns that include it.
Port::Route& Port::make_route(std::string_view room) {
  const auto known = routes_.find(room);
  if (known != routes_.end()) return known->second;
  Route made;
  for (const SubscriptionId id : patterns_)
    if (pattern_includes(slots_[id.index].room, room)) made.to.push_back(id);
  routed_ = nullptr;
  return routes_.emplace(std::string(room), std::move(made)).first->second;
}

const Port::Route& Port::route(std::string_view room) {
  if (routed_ != nullptr && routed_->first == room) return routed_->second;
  if (const auto known = routes_.find(room); known != routes_.end()) {
    routed_ = &*known;
    return known->second;
  }
  if (routes_.size() >= kPassingMax + count_) forget_passing();
  return make_route(room);
}

void Port::forget_passing() {
  routed_ = nullptr;
  boost::unordered::erase_if(routes_, [](const auto& entry) { return entry.second.named == 0; });
}

// ---- what is asked -----------------------------------------------------------------------------

std::uint64_t Port::room_at(ShardIndex shard) const {
  const std::uint64_t free = shards_.room_at(shard);
  const auto& open = published_[shard.value].open;
  const std::uint64_t promised = open ? open->size() : 0;
  return free > promised ? free - promised : 0;
}

// Behind what was published before it.
void Port::send(ShardIndex shard, ShardMail&& mail) {
  send_batch(shard);
  shards_.send(shard, std::move(mail));
}

void Port::send_batch(ShardIndex shard) {
  Published& to = published_[shard.value];
  if (!to.open) return;
  to.sizes.ended(*to.open);
  shards_.send(shard, PublishBatchMail{std::move(to.open), {self_, {}}});
}

void Port::add(ShardIndex home, const BatchedPublish& ask) {
  Published& to = published_[home.value];
  if (to.open && to.open->add(ask)) return;
  send_batch(home);
  to.open = to.sizes.next(ask.text_bytes());
  any_open_ = true;
  const bool added = to.open->add(ask);
  ensure(added, "a publish that fits into no batch");
}

void Port::flush() {
  if (std::exchange(any_open_, false))
    for (std::uint32_t shard = 0; shard < shards(); ++shard) send_batch({shard});
  shards_.wake_touched();
}

Result<SubscriptionId> Port::subscribe(std::string_view room, std::optional<Position> recover) {
  const bool pattern = is_pattern(room);
  if (auto good = pattern ? check_pattern(room, "room") : check_room(room); !good)
    return good.error();
  if (pattern && recover)
    return {Errc::validation, "recover: a pattern has no position, subscribe to a room instead"};
  if (free_.empty()) {
    free_.push_back(static_cast<std::uint32_t>(slots_.size()));
    slots_.emplace_back();
  }
  const std::uint32_t at = free_.back();
  Subscription& made = slots_[at];
  const SubscriptionId id{at, made.generation + 1};
  made.room = room;
  made.pattern = pattern;
  made.answers_due = pattern ? shards() : 1;
  made.generation = id.generation;
  if (auto asked = ask_for(id, std::move(recover)); !asked) return asked.error();
  made.open = true;
  free_.pop_back();
  ++count_;
  ++(pattern ? watched_[made.room] : make_route(room).named);
  return id;
}

Result<void> Port::ask_for(SubscriptionId id, std::optional<Position> recover) {
  const Subscription& subscription = slots_[id.index];
  const Error busy{Errc::unavailable, "the room's shard is busy, try again"};
  const ReplyTo answer_to{{self_, id}, 0};
  if (!subscription.pattern) {
    const ShardIndex home = home_shard(subscription.room, shards());
    if (room_at(home) == 0) return busy;
    send(home, SubscribeMail{subscription.room, answer_to, std::move(recover)});
    return {};
  }
  for (std::uint32_t shard = 0; shard < shards(); ++shard)
    if (room_at({shard}) == 0) return busy;
  for (std::uint32_t shard = 0; shard < shards(); ++shard)
    send({shard}, WatchMail{subscription.room, answer_to, WatchMail::Action::begin});
  return {};
}

void Port::unsubscribe(SubscriptionId id) {
  Subscription* subscription = find(id);
  if (subscription == nullptr) return;
  subscription->open = false;
  const Subscription gone = std::move(*subscription);
  free_.push_back(id.index);
  --count_;
  if (gone.pattern) {
    std::erase(patterns_, id);
    forget_passing();
    for (auto& [room, to] : routes_) std::erase(to.to, id);
    leave_pattern(gone);
  } else {
    leave_room(id, gone);
  }
}

// Home is told when nobody of this port is left, and of a room by name each time, for it counts
// those. The place was reserved with the subscription: it is bounded by those.
void Port::leave_pattern(const Subscription& gone) {
  const auto watched = watched_.find(gone.room);
  if (--watched->second != 0) return;
  watched_.erase(watched);
  for (std::uint32_t shard = 0; shard < shards(); ++shard)
    send({shard}, WatchMail{gone.room, reply_to(0), WatchMail::Action::end});
}

void Port::leave_room(SubscriptionId id, const Subscription& gone) {
  const auto known = routes_.find(gone.room);
  Route& to = known->second;
  std::erase(to.to, id);
  if (gone.answers_due == 0) send(home_shard(gone.room, shards()), LeaveMail{gone.room, self_});
  if (--to.named != 0) return;
  routed_ = nullptr;
  if (to.to.empty()) routes_.erase(known);
}

Result<void> Port::reserve_answer() {
  if (questions_ >= config_.engine.mailbox_max)
    return {Errc::unavailable, fmt::format("{} questions of this port wait for answers "
                                           "(mailbox_max)",
                                           questions_)};
  ++questions_;
  return {};
}

Result<void> Port::know_names(const PublishAsk& ask) {
  if (ask.room == known_.room && ask.type == known_.type) return {};
  if (auto good = check_room(ask.room); !good) return good;
  if (auto good = check_event_type(ask.type, "event"); !good) return good;
  const bool stored = namespace_for(config_, ask.room).history == HistoryKind::store;
  if (stored && !shards_.has_source())
    return {Errc::unavailable,
            fmt::format("room: the namespace of '{}' is kept in a store, and this engine has none "
                        "(store.url)",
                        ask.room)};
  known_.room = ask.room;
  known_.type = ask.type;
  known_.home = home_shard(ask.room, shards());
  known_.stored = stored;
  return {};
}

Result<Asked> Port::publish(PublishAsk ask, WallTime time, std::uint64_t tag) {
  if (auto good = know_names(ask); !good) return good.error();
  if (auto good = check_keys(ask); !good) return good.error();
  const ShardIndex home = known_.home;
  if ((known_.stored ? shards_.room_at_source() : room_at(home)) == 0) return Asked::full;
  if (tag != ReplyTo::kErrorsOnly && !reserve_answer()) return Asked::full;
  if (known_.stored) {
    const bool sent = shards_.try_send_source(append_mail(std::move(ask), {}, reply_to(tag)));
    ensure(sent, "a place that was there a moment ago is gone");
  } else if (goes_in_a_batch(ask)) {
    add(home, batched(ask, time, tag));
  } else {
    send(home, publish_mail(std::move(ask), time, {}, reply_to(tag)));
  }
  return Asked::queued;
}

Result<void> Port::list_viewers(std::string_view room, std::string_view after, std::uint32_t limit,
                                std::uint64_t tag) {
  if (auto good = check_room(room); !good) return good;
  return ask(home_shard(room, shards()), PresenceMail{std::string(room),
                                                      {},
                                                      reply_to(tag),
                                                      PresenceMail::Action::list,
                                                      std::string(after),
                                                      limit});
}

Result<void> Port::ask(ShardIndex shard, ShardMail question) {
  if (room_at(shard) == 0) return {Errc::unavailable, "a shard is busy, try again"};
  if (auto reserved = reserve_answer(); !reserved) return reserved;
  send(shard, std::move(question));
  return {};
}

}  // namespace ringcast
