#include "store/source.hpp"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <ctime>
#include <iterator>
#include <utility>

#include "base/ensure.hpp"
#include "base/failpoint.hpp"
#include "message/home_shard.hpp"

namespace ringcast {

namespace {

constexpr std::uint32_t kWindowRowsMax = 8'191;  // an offset's rank has 13 bits
constexpr Nanos kCreditWaitMin = std::chrono::microseconds{50};
constexpr Nanos kCreditWaitMax = Millis{5};
constexpr std::size_t kRowsBetweenLooks = 128;

std::chrono::seconds longest_history(const Config& config) {
  std::uint32_t seconds = 0;
  for (const NamespaceConfig& row : config.namespaces)
    if (row.history == HistoryKind::store) seconds = std::max(seconds, row.history_ttl_s);
  return std::chrono::seconds{seconds};
}

Error not_in_store(const Config& config, std::string_view room) {
  return {Errc::validation,
          fmt::format("room: {} is of namespace '{}', whose history is not `store`", room,
                      namespace_for(config, room).name)};
}

// The room whose namespace decides; that of an envelope is its tenant's.
std::string room_of(const PlainRow& row) {
  return row.envelope ? "tenant:" + row.envelope->tenant_id : row.room;
}

bool is_in_store(const Config& config, std::string_view room) {
  return namespace_for(config, room).history == HistoryKind::store;
}

std::size_t index_of_reason(std::string_view reason) {
  const auto* found = std::find(kFailReasons.begin(), kFailReasons.end(), reason);
  ensure(found != kFailReasons.end(), "a reason that kFailReasons has");
  return static_cast<std::size_t>(found - kFailReasons.begin());
}

}  // namespace

Source::Source(SourceParts parts)
    : parts_(std::move(parts)),
      outlets_(std::move(parts_.shards), parts_.config.engine.ports),
      limits_{parts_.config.outbox.envelope_bytes_warn, parts_.config.outbox.envelope_bytes_max},
      opening_(kRetry, random_seed()),
      reading_(kBusyRetry, random_seed()),
      writing_(kRetry, random_seed()),
      noting_(kBusyRetry, random_seed()),
      holds_(parts_.config.outbox.hold, parts_.config.outbox.held_rows_max) {
  status_.store = parts_.store->describe();
}

void Source::run() {
  while (!stopping_) {
    take_mail();
    if (!open_ && opening_.due(now())) open_store();
    answer_appends();
    answer_is_recorded();
    if (outlets_.flush() != 0) credit_wait_ = Nanos{0};
    if (!open_) refuse_read_now({Errc::unavailable, status_.detail});
    if (on_trial_)
      advance_trial();
    else if (!outlets_.waiting() && wants_to_read())
      read();
    outlets_.flush();
    write_failed();
    write_holds();
    note_delivered();
    look_for_trouble();
    retire();
    note_lag();
    if (std::exchange(changed_, false) && parts_.report) parts_.report(status_);
    const bool hands_over = on_trial_ && on_trial_->step == OnTrial::Step::hand_over;
    if (!stopping_ && (outlets_.waiting() || !(hands_over ? open_ : wants_to_read()))) sleep();
  }
  leave_trial();
  refuse_all({Errc::unavailable, "store: the server stops"});
  parts_.store.reset();
}

// ---- mail ---------------------------------------------------------------------------------------

std::size_t Source::take_mail() {
  return parts_.mail.drain(kMailsPerTurn - std::min(kMailsPerTurn, appends_.size()),
                           [this](SourceMail&& mail) {
                             take(std::move(mail));
                             return true;
                           });
}

void Source::take(SourceMail&& mail) {
  if (auto* append = std::get_if<AppendMail>(&mail)) {
    appends_.push_back(std::move(*append));
  } else if (auto* asked = std::get_if<IsRecordedMail>(&mail)) {
    asked_.push_back(std::move(*asked));
  } else if (auto* read_now = std::get_if<ReadNowMail>(&mail)) {
    read_now_.push_back(*read_now);
    if (read_now_.size() > kReadNowMax) {
      read_now_.pop_back();
      outlets_.answer(read_now->reply_to.connection.shard,
                      ReadNowAnswerMail{
                          read_now->reply_to,
                          Error{Errc::unavailable, "outbox: too many are publishing it already"}});
    }
  } else if (std::holds_alternative<StopMail>(mail)) {
    stopping_ = true;
  }
}

Result<void> Source::check_append(const PlainRow& row) {
  if (auto checked = check_plain_row(row, limits_); !checked) return checked;
  if (const std::string room = room_of(row); !is_in_store(parts_.config, room))
    return not_in_store(parts_.config, room);
  if (row.envelope) return parts_.schemas.check(row.event_type, *row.data);
  return {};
}

// One window each; called only when the shards have taken everything before.
void Source::answer_read_now() {
  const ReadNowMail question = read_now_.front();
  read_now_.pop_front();
  const std::uint32_t limit = question.limit == 0 ? window_rows_max() : question.limit;
  Result<ReadNow> outcome = Error{};
  if (const auto window = next(OutboxStore::Read::record, std::min(limit, kWindowRowsMax))) {
    const Delivered delivered = deliver(*window);
    if (delivered.oldest) status_.behind_since = delivered.oldest;
    outcome = window->ours ? ReadNow{delivered.good, delivered.failed, 0, std::nullopt}
                           : ReadNow{0, 0, window->rows.size(), std::nullopt};
    const auto backlog = parts_.store->backlog();
    if (backlog)
      outcome->oldest_pending_seconds = backlog->oldest_seconds;
    else if (backlog.error().code == Errc::unavailable)
      lost(backlog.error());
  } else {
    outcome = Error{Errc::unavailable, status_.detail};
  }
  outlets_.answer(question.reply_to.connection.shard,
                  ReadNowAnswerMail{question.reply_to, std::move(outcome)});
}

// ---- the store ----------------------------------------------------------------------------------

void Source::open_store() {
  auto state = status_.opens == 0 ? parts_.store->open(longest_history(parts_.config),
                                                       parts_.config.outbox.replay_bytes_max)
                                  : parts_.store->reopen();
  changed_ = true;
  if (state) {
    opened(std::move(state).value());
    return;
  }
  ++status_.open_failures;
  status_.detail = state.error().detail;
  status_.refused = state.error().code != Errc::unavailable;
  log::warning(warn_limiter_, "{} can not be opened: {}", status_.store, status_.detail);
  opening_.failed(now());
}

void Source::opened(StoreState state) {
  open_ = true;
  opened_at_ = now();
  read_wanted_ = true;
  ++status_.opens;
  status_.detail.clear();
  status_.refused = false;
  poison_ = std::move(state.poison);
  status_.store = parts_.store->describe();  // a server's name is known only now
  log::info("{} is open, epoch {}", status_.store, state.epoch);
  noted_ = state.delivered;
  to_note_.reset();
  if (status_.epoch != state.epoch) {
    ready_ = false;
    on_trial_.reset();
    trial_.reset();
    failed_.clear();  // what was not noted as delivered is judged again
    holds_.begin(state.delivered, state.held);
    status_.epoch = state.epoch;
    status_.top = floor_ = state.floor;
    outlets_.queue_for_all(StoreStateMail{state.epoch, state.floor, state.floor, false});
  }
  set_state(ready_ ? SourceStatus::State::ready : SourceStatus::State::replaying);
}

void Source::lost(const Error& why) {
  if (!open_) return;
  open_ = false;
  // A full disk lets a store be opened and not be used.
  if (now() - opened_at_ > kRetry.most) opening_.succeeded();
  opening_.failed(now());
  status_.detail = why.detail;
  log::warning("{} is lost: {}", status_.store, why.detail);
  set_state(SourceStatus::State::lost);
}

void Source::set_state(SourceStatus::State state) {
  status_.state = state;
  changed_ = true;
}

// ---- windows ------------------------------------------------------------------------------------

std::uint32_t Source::window_rows_max() const {
  return std::clamp(parts_.config.outbox.batch_max, 1U, kWindowRowsMax);
}

bool Source::wants_to_read() const {
  return open_ && !on_trial_ && (read_wanted_ || !read_now_.empty()) && reading_.due(now()) &&
         failed_.size() < kFailedMax;
}

void Source::read() {
  if (ready_ && !read_now_.empty()) {
    answer_read_now();
    return;
  }
  const bool replays = !ready_ && parts_.store->replaying();
  const auto read = parts_.config.outbox.continuous ? OutboxStore::Read::record_on
                    : record_wanted_                ? OutboxStore::Read::record
                                                    : OutboxStore::Read::recorded_only;
  auto window = next(read, window_rows_max());
  if (!window) return;
  if (replays && goes_on_trial(*window))
    on_trial_.emplace().window = std::move(*window);
  else
    read_on(*window, deliver(*window), replays);
}

void Source::read_on(const Window& window, const Delivered& delivered, bool replays) {
  if (replays)
    status_.replayed += window.rows.size();
  else if (delivered.oldest)
    status_.behind_since = delivered.oldest;
  if (!delivered.moved || (window.ours && !window.more)) record_wanted_ = false;
  read_wanted_ = delivered.moved && (window.more || record_wanted_ || parts_.store->replaying());
  if (!ready_ && (!delivered.moved || !parts_.store->replaying())) announce_replayed();
}

std::optional<Window> Source::next(OutboxStore::Read read, std::uint32_t limit) {
  auto window = parts_.store->next(read, limit);
  if (window) {
    reading_.succeeded();
    ++(window->rows.empty() ? status_.polls_empty : status_.polls_full);
    more_behind_ = window->more;
    changed_ = true;
    return std::move(window).value();
  }
  if (window.error().code == Errc::unavailable) {
    lost(window.error());
  } else {
    reading_.failed(now());
    status_.detail = window.error().detail;
    changed_ = true;
    log::warning(warn_limiter_, "{}: {}", status_.store, window.error().detail);
  }
  return std::nullopt;
}

Source::Delivered Source::deliver(const Window& window) {
  Delivered delivered;
  std::size_t count = 0;
  for (const OutboxRow& row : window.rows) {
    if (++count % kRowsBetweenLooks == 0) parts_.store->take_ahead();
    deliver_row(row, delivered);
  }
  end_window(window, delivered);
  return delivered;
}

void Source::deliver_row(const OutboxRow& row, Delivered& delivered) {
  if (Holds::withdraws(row)) return holds_.withdraw(row);
  auto failed = holds_.held_back(row);
  if (!failed) {
    failed = deliver(row, delivered);
    holds_.judged(row, failed);
  }
  if (!failed) {
    ++delivered.good;
    return;
  }
  ++delivered.failed;
  failed->offset = row.offset;
  ++status_.rows_failed[index_of_reason(failed->reason)];
  log::warning(failed_limiter_, "outbox: row {} failed, {}: {}", failed->id, failed->reason,
               failed->error);
  failed_.push_back(*std::move(failed));
}

void Source::end_window(const Window& window, Delivered& delivered) {
  delivered.moved = !window.rows.empty() || window.top > status_.top;
  status_.rows += window.rows.size();
  if (!window.rows.empty()) {
    ++status_.windows;
    status_.window_rows = window.rows.size();
  }
  if (window.top > status_.top) {
    status_.top = window.top;
    outlets_.queue_for_all(StorePositionMail{window.top});
    changed_ = true;
  }
  if (window.begins_after_gap) {
    floor_ = window.top;
    outlets_.queue_for_all(StoreStateMail{status_.epoch, floor_, status_.top, ready_});
  }
}

std::optional<FailedRow> Source::deliver(const OutboxRow& row, Delivered& delivered) {
  if (is_poison(row.id))
    return FailedRow{row.id, row.event_id ? row.event_id->text() : "", "poison",
                     "daemons ended while they delivered this row alone"};
  failpoint("hand_over", row.payload);
  auto judged = events_of(row, limits_);
  if (auto* failed = std::get_if<FailedRow>(&judged)) return std::move(*failed);
  RowEvents& out = std::get<RowEvents>(judged);
  if (row.kind == OutboxRow::Kind::envelope)
    if (const auto checked = parts_.schemas.check(row.event_type, row.payload); !checked)
      return FailedRow{row.id, row.event_id->text(),
                       checked.error().code == Errc::not_found ? "unknown_event" : "schema",
                       checked.error().detail};
  for (const EventRef& event : out.events)
    if (!is_in_store(parts_.config, event->room))
      return FailedRow{row.id, event->id.text(), "wrong_namespace",
                       not_in_store(parts_.config, event->room).detail};
  if (out.above_warn) {
    ++status_.rows_above_warn;
    log::warning(warn_limiter_, "outbox: row {} makes {} octets, above the warning at {}", row.id,
                 out.bytes, limits_.bytes_warn);
  }
  for (EventRef& event : out.events) {
    delivered.oldest = std::min(delivered.oldest.value_or(event->time), event->time);
    const ShardIndex home = home_shard(event->room, outlets_.shards());
    outlets_.queue(home, StoredMail{std::move(event)});
    ++status_.events;
  }
  return std::nullopt;
}

// Rows that wait for a shard, or behind the last window, are late; else there are none to be late.
void Source::note_lag() {
  if (!status_.behind_since || more_behind_ || outlets_.waiting()) return;
  status_.behind_since.reset();
  changed_ = true;
}

void Source::announce_replayed() {
  ready_ = true;
  outlets_.queue_for_all(StoreStateMail{status_.epoch, floor_, status_.top, true});
  set_state(SourceStatus::State::ready);
}

// ---- sleep --------------------------------------------------------------------------------------

void Source::sleep() {
  std::vector<pollfd> fds{{parts_.wakeup.fd(), POLLIN, 0}};
  const Instant from = now();
  const bool blocked = outlets_.waiting() || (open_ && on_trial_);
  const bool armed = open_ && !blocked;
  Instant until = opening_.at();
  if (blocked) {
    if (open_) parts_.store->take_ahead();
    // Nobody says when credits come back, and a shard that is busy gives some within a tick.
    credit_wait_ = std::clamp(credit_wait_ * 2, kCreditWaitMin, kCreditWaitMax);
    until = from + credit_wait_;
  } else if (armed) {
    until = parts_.store->arm(fds, from);
    if (!verdicts_are_written() || holds_.wants_put_back()) until = std::min(until, writing_.at());
    if ((read_wanted_ || !read_now_.empty()) && failed_.size() < kFailedMax)
      until = std::min(until, reading_.at());
    if (to_note_) until = std::min(until, note_at_);
    if (ready_ && parts_.config.outbox.retention_days != 0) until = std::min(until, retire_at_);
  }
  parts_.wakeup.park();
  if (take_mail() == 0) {
    const Nanos wait = std::max(Nanos{0}, until - now());
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(wait);
    const timespec timeout{seconds.count(), (wait - seconds).count()};
    ::ppoll(fds.data(), fds.size(), &timeout, nullptr);
    if (fds[0].revents != 0) parts_.wakeup.drain();
  }
  parts_.wakeup.unpark();
  const Instant after = now();
  if (blocked) status_.blocked += after - from;
  // Also after mail alone: what arm() promised to look at is looked at.
  if (armed && parts_.store->woke(fds, after)) read_wanted_ = true;
}

}  // namespace ringcast
