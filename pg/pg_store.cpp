#include "pg/pg_store.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/ensure.hpp"
#include "base/log.hpp"
#include "message/names.hpp"
#include "pg/epoch.hpp"
#include "pg/migration.hpp"
#include "pg/rights.hpp"
#include "pg/status_store.hpp"
#include "pg/window_reader.hpp"

namespace ringcast::pg {

namespace {

constexpr std::chrono::seconds kKeepUpEvery{10};
constexpr std::chrono::seconds kLeavesEvery{3'600};
constexpr std::chrono::seconds kLeavesRetry{60};
constexpr std::chrono::seconds kWindowsKeptMin{86'400};

const Statement kPrune = {"prune", R"sql(
delete from ringcast.reader_window where (source, no) in (
  select source, no from ringcast.reader_window
  where source = 'outbox' and at < clock_timestamp() - make_interval(secs => $1::float8)
    and no < (select max(w.no) from ringcast.reader_window w join ringcast.progress p using (source)
              where source = 'outbox' and w.no * 8192 + w.n <= p.delivered)
  order by at limit 10000))sql"};

const Statement kFail = {"fail", R"sql(
insert into ringcast.failed (source, id, event_id, state, reason, error, attempts, first_at,
                             position, hold_at)
select 'outbox', t.id, nullif(t.event_id, '')::uuid, case t.reason when 'held' then 1 else 2 end,
       t.reason, t.error, (t.reason <> 'held')::int + coalesce(f.attempts, 0),
       coalesce(f.first_at, clock_timestamp()), t.position, nullif(t.hold_at, 0)
from unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[])
  as t(id, event_id, reason, error, position, hold_at)
left join ringcast.outbox o on o.id = t.id
left join ringcast.failed f on f.source = 'outbox' and f.id = o.redrive_of
on conflict (source, id) do nothing)sql"};

const Statement kEndHolds = {"end_holds", R"sql(
update ringcast.failed f set released = t.at
from unnest($1::bigint[], $2::bigint[]) as t(id, at)
where f.source = 'outbox' and f.id = t.id and f.released is null)sql"};

const Statement kPutBack = {"put_back", "select ringcast.put_back($1::bigint[])"};

// $1 delivered, $2 the floor of the history.
const Statement kHeld = {"held", R"sql(
select f.id, coalesce(f.hold_at, 0), f.reason <> 'held',
       o.id is not null and f.hold_at is not null
         and (f.released is null or f.released > $1::bigint),
       o.tenant_id, o.aggregate_type, o.aggregate_id
from ringcast.failed f left join ringcast.outbox o on o.id = f.id
where f.source = 'outbox' and (f.hold_at is not null or f.reason = 'hold_full')
  and f.position <= $1::bigint
  and (f.position > $2::bigint
       or f.hold_at is not null and (f.released is null or f.released > $1::bigint))
order by f.hold_at, f.id)sql"};

const Statement kNoteDelivered = {
    "note_delivered",
    "update ringcast.progress set delivered = $1::bigint, starts = 0, begun = 0"
    " where source = 'outbox' and delivered < $1::bigint"};

const Statement kNoteOnTrial = {"note_on_trial",
                                "update ringcast.progress set delivered = $1::bigint, begun = 0"
                                " where source = 'outbox' and delivered < $1::bigint"};

const Statement kBeginTrial = {"begin_trial",
                               "update ringcast.progress set starts = starts + 1"
                               " where source = 'outbox' and delivered = $1::bigint"
                               " returning starts, begun"};

const Statement kBeginRow = {"begin_row",
                             "update ringcast.progress set begun = begun + 1"
                             " where source = 'outbox' and delivered = $1::bigint"};

const Statement kTakeBack = {
    "take_back",
    "update ringcast.progress set starts = greatest(starts - $2::int, 0),"
    " begun = greatest(begun - $3::int, 0) where source = 'outbox' and delivered = $1::bigint"};

// Sessions of other roles show their times to members of pg_read_all_stats only.
const Statement kTrouble = {"trouble", R"sql(
select (select count(*) from ringcast.failed where source = 'outbox' and state = 2),
       (select count(*) from ringcast.failed where source = 'outbox' and state = 1),
       (select count(*) from ringcast.failed
        where source = 'outbox' and state = 2 and hold_at is not null and released is null),
       (select (extract(epoch from clock_timestamp() - min(xact_start)) * 1000)::bigint
        from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid()
          and backend_type = 'client backend'))sql"};

// A text that PostgreSQL refuses must not keep a failed row, and all that follow, from being noted.
constexpr std::string_view kUnstorable = "the error text is not valid UTF-8";

bool storable(std::string_view text) {
  return is_valid_utf8(text) && text.find('\0') == std::string_view::npos;
}

}  // namespace

PgStore::PgStore(Settings settings)
    : PgStore(settings, std::make_unique<WindowReader>(settings.limits)) {}

PgStore::PgStore(Settings settings, std::unique_ptr<Reader> reader)
    : settings_(std::move(settings)),
      reader_(std::move(reader)),
      listener_(settings_.url, settings_.pace, settings_.node),
      retention_(settings_.archive_folder) {}

// ---- connecting ---------------------------------------------------------------------------------

// A connection on which everything was checked, and the epoch that holds.
Result<std::string> PgStore::connect() {
  connection_.reset();
  listener_.suspect();
  retention_.forget();
  auto made = Connection::open(settings_.url, "ringcast", settings_.timeouts);
  if (!made) return made.error();
  connection_ = std::move(*made);
  described_ = connection_->describe();
  if (auto migrated = migrate(*connection_, settings_.migrate); !migrated) return migrated.error();
  if (auto checked = check_rights(*connection_); !checked) return checked.error();
  if (auto checked = check_sequence(); !checked) return checked.error();
  if (auto checked = check_mode(*connection_); !checked) return checked.error();
  return settle_epoch(*connection_);
}

Result<std::string> PgStore::mode_of(Connection& connection) {
  auto rows = connection.query("select mode from ringcast.meta");
  if (!rows) return rows.error();
  if (rows->empty()) return Error{Errc::validation, "ringcast.meta has lost its row"};
  return std::string(rows->text(0, 0));
}

// Two daemons in different modes would give one row two positions.
Result<void> PgStore::check_mode(Connection& connection) {
  auto mode = mode_of(connection);
  if (!mode) return mode.error();
  if (*mode == "window") return {};
  return Error{Errc::validation,
               fmt::format("this outbox is read in {} mode: set outbox.mode = \"{}\", or stop its "
                           "daemons and run `select ringcast.set_outbox_mode('window')` as the "
                           "schema's owner",
                           *mode, *mode)};
}

Result<std::string> PgStore::settle_epoch(Connection& connection) {
  if (auto checked = check_numbers(connection); !checked) return checked.error();
  return pg::settle_epoch(connection);
}

Result<void> PgStore::check_sequence() {
  auto rows = connection_->query(
      "select seqcache = 1 and seqincrement > 0 and not seqcycle from pg_sequence"
      " where seqrelid = 'ringcast.outbox_id'::regclass");
  if (!rows) return rows.error();
  if (!rows->empty() && rows->flag(0, 0)) return {};
  return Error{
      Errc::validation,
      "the sequence ringcast.outbox_id does not number rows in the order of their commits: "
      "run `alter sequence ringcast.outbox_id increment 1 cache 1 no cycle`"};
}

Result<StoreState> PgStore::open(std::chrono::seconds history, std::uint64_t replay_bytes_max) {
  history_ = history;
  auto state = open_at(history, replay_bytes_max);
  if (state) return state;
  connection_.reset();
  Error error = state.error();
  if (error.code == Errc::forbidden)
    error.detail += "; the schema's owner gives the rights: select ringcast.grant_daemon('role')";
  return error;
}

Result<StoreState> PgStore::open_at(std::chrono::seconds history, std::uint64_t replay_bytes_max) {
  auto epoch = connect();
  if (!epoch) return epoch.error();
  make_leaves(SystemClock{}.now());
  auto state = reader_->start(*connection_, *epoch, history, replay_bytes_max);
  if (!state) return state;
  auto scan = reader_->whole_leaf_scan(*connection_);
  if (!scan) return scan.error();
  if (scan->has_value())
    log::error(
        "outbox: a look at the table reads a whole partition ({}): each partition needs its "
        "indexes on (id) and on (xid, id), in status mode those on (position) and on unclaimed "
        "rows too; make the one that is missing",
        **scan);
  return with_delivered(std::move(state).value());
}

Result<StoreState> PgStore::reopen() {
  auto epoch = connect();
  if (!epoch) return away(epoch.error());
  auto state = reader_->resume(*connection_, *epoch);
  if (!state) return away(state.error());
  auto known = with_delivered(std::move(state).value());
  if (!known) return away(known.error());
  return known;
}

Result<StoreState> PgStore::with_delivered(StoreState state) {
  auto rows = connection_->query("select delivered from ringcast.progress where source = 'outbox'");
  if (!rows) return rows.error();
  if (rows->empty()) return Error{Errc::validation, "ringcast.progress has lost its row"};
  state.delivered = static_cast<Offset>(rows->number(0, 0));
  auto poison = connection_->query(
      "select id from ringcast.failed where source = 'outbox' and reason = 'poison' order by id");
  if (!poison) return poison.error();
  for (std::size_t i = 0; i < poison->size(); ++i) state.poison.push_back(poison->number(i, 0));
  auto held = connection_->execute(kHeld, Params{}.add(state.delivered).add(state.floor));
  if (!held) return held.error();
  for (std::size_t i = 0; i < held->size(); ++i)
    state.held.push_back({held->number(i, 0), static_cast<Offset>(held->number(i, 1)),
                          held->flag(i, 2), held->flag(i, 3),
                          aggregate_name(held->text(i, 4), held->text(i, 5), held->text(i, 6))});
  return state;
}

// A connection on which something failed is not used again: what it holds is unknown.
Error PgStore::away(Error error) {
  connection_.reset();
  error.code = Errc::unavailable;
  return error;
}

// ---- reading ------------------------------------------------------------------------------------

Result<Window> PgStore::next(Read read, std::uint32_t limit) {
  if (!connection_) return away({Errc::unavailable, "PostgreSQL: not connected"});
  const Instant now = SystemClock{}.now();
  if (now >= keep_up_at_) keep_up(now);
  auto window = reader_->next(*connection_, read, limit);
  if (!window) return away(window.error());
  listener_.looked(window->rows.empty() ? Listener::Found::nothing : Listener::Found::rows,
                   reader_->seen_below(), now, SystemClock{}.now());
  return window;
}

void PgStore::take_ahead() {
  // A connection that is lost is noticed, and the reason told, by the next call.
  if (connection_) static_cast<void>(connection_->take_input().ok());
}

// Neither of these may hold up the reading: what fails is logged and tried again.
void PgStore::keep_up(Instant now) {
  keep_up_at_ = now + kKeepUpEvery;
  if (auto pruned = prune(); !pruned)
    log::warning("outbox: pruning failed: {}", pruned.error().detail);
  if (now >= leaves_at_) make_leaves(now);
}

void PgStore::make_leaves(Instant now) {
  auto made = Leaves::make_ahead(*connection_);
  leaves_at_ = now + (made ? kLeavesEvery : kLeavesRetry);
  if (!made)
    log::warning("outbox: a partition could not be made, its rows go into outbox_default: {}",
                 made.error().detail);
}

Result<void> PgStore::prune() {
  const auto kept = std::max(history_, kWindowsKeptMin);
  if (auto done = connection_->execute(kPrune, Params{}.add(kept.count())); !done)
    return done.error();
  return forget_keys(*connection_, settings_.dedupe);
}

Result<bool> PgStore::retire() {
  if (!connection_) return away({Errc::unavailable, "PostgreSQL: not connected"});
  const auto history = std::chrono::ceil<std::chrono::days>(history_).count();
  auto more =
      retention_.step(*connection_, std::max<std::int64_t>(settings_.retention_days, history));
  if (more) return more;
  if (!connection_->usable()) return away(more.error());
  // The source takes `unavailable` for a connection that is lost.
  Error error = more.error();
  if (error.code == Errc::unavailable) error.code = Errc::rate_limited;
  return error;
}

Result<bool> PgStore::is_recorded(Offset offset) {
  if (!connection_) return away({Errc::unavailable, "PostgreSQL: not connected"});
  auto rows = connection_->query(
      "select n >= $2::bigint from ringcast.reader_window where source = 'outbox' and no = "
      "$1::bigint",
      Params{}.add(offset / kOffsetsPerWindow).add(offset % kOffsetsPerWindow));
  if (!rows) return away(rows.error());
  return !rows->empty() && rows->flag(0, 0);
}

Result<Backlog> PgStore::backlog() {
  if (!connection_) return away({Errc::unavailable, "PostgreSQL: not connected"});
  auto unread = reader_->unread(*connection_);
  if (!unread) return away(unread.error());
  return unread;
}

Result<Trouble> PgStore::trouble() {
  auto rows = ask(kTrouble, {});
  if (!rows) return rows.error();
  const auto count = [&](int column) {
    return static_cast<std::uint64_t>(rows->number(0, column));
  };
  Trouble trouble{.dead = count(0), .held = count(1), .holds = count(2)};
  trouble.oldest_transaction = Millis{std::max<std::int64_t>(0, rows->number(0, 3))};
  return trouble;
}

// ---- writing ------------------------------------------------------------------------------------

Result<void> PgStore::fail(std::span<const FailedRow> rows) {
  if (rows.empty()) return {};
  if (!connection_) return away({Errc::unavailable, "PostgreSQL: not connected"});
  std::vector<std::int64_t> ids, offsets, holds;
  std::vector<std::string_view> event_ids, reasons, errors;
  for (const FailedRow& row : rows) {
    ids.push_back(row.id);
    event_ids.push_back(Uuid::parse(row.event_id) ? std::string_view(row.event_id) : "");
    offsets.push_back(static_cast<std::int64_t>(row.offset));
    holds.push_back(static_cast<std::int64_t>(row.hold_at));
    reasons.push_back(row.reason);
    errors.push_back(storable(row.error) ? std::string_view(row.error) : kUnstorable);
  }
  auto done = connection_->execute(fail_statement(), Params{}
                                                         .add_numbers(ids)
                                                         .add_plain_texts(event_ids)
                                                         .add_plain_texts(reasons)
                                                         .add_plain_texts(errors)
                                                         .add_numbers(offsets)
                                                         .add_numbers(holds));
  if (!done) return away(done.error());
  return {};
}

Result<void> PgStore::end_holds(std::span<const EndedHold> ended) {
  if (ended.empty()) return {};
  std::vector<std::int64_t> ids, offsets;
  for (const EndedHold& one : ended) {
    ids.push_back(one.id);
    offsets.push_back(static_cast<std::int64_t>(one.at));
  }
  auto done = ask(kEndHolds, Params{}.add_numbers(ids).add_numbers(offsets));
  if (!done) return done.error();
  return {};
}

Result<void> PgStore::put_back(std::span<const std::int64_t> ids) {
  auto done = ask(kPutBack, Params{}.add_numbers(ids));
  if (!done) return done.error();
  return {};
}

const Statement& PgStore::fail_statement() const { return kFail; }

Result<void> PgStore::note_delivered(Offset top) {
  if (!connection_) return away({Errc::unavailable, "PostgreSQL: not connected"});
  if (auto settled = settle_rows(*connection_, top); !settled) return away(settled.error());
  if (auto done = connection_->execute(kNoteDelivered, Params{}.add(top)); !done)
    return away(done.error());
  return {};
}

Result<Rows> PgStore::ask(const Statement& statement, const Params& params) {
  if (!connection_) return away({Errc::unavailable, "PostgreSQL: not connected"});
  auto rows = connection_->execute(statement, params);
  if (!rows) return away(rows.error());
  return rows;
}

Result<void> PgStore::note_on_trial(Offset top) {
  if (!connection_) return away({Errc::unavailable, "PostgreSQL: not connected"});
  if (auto settled = settle_rows(*connection_, top); !settled) return away(settled.error());
  auto done = ask(kNoteOnTrial, Params{}.add(top));
  if (!done) return done.error();
  return {};
}

Result<Trial> PgStore::begin_trial(Offset delivered) {
  auto rows = ask(kBeginTrial, Params{}.add(delivered));
  if (!rows) return rows.error();
  if (rows->empty()) return Trial{};
  return Trial{static_cast<std::uint32_t>(rows->number(0, 0)),
               static_cast<std::uint32_t>(rows->number(0, 1))};
}

Result<void> PgStore::begin_row(Offset delivered) {
  auto done = ask(kBeginRow, Params{}.add(delivered));
  if (!done) return done.error();
  return {};
}

Result<void> PgStore::take_back(Offset delivered, const Trial& counted) {
  auto done = ask(kTakeBack, Params{}.add(delivered).add(counted.starts).add(counted.begun));
  if (!done) return done.error();
  return {};
}

Result<std::vector<Result<Appended>>> PgStore::append(std::span<const PlainRow> rows) {
  if (!connection_) return away({Errc::unavailable, "PostgreSQL: not connected"});
  auto outcomes = pg::append(*connection_, rows, settings_.dedupe);
  if (!outcomes) return away(outcomes.error());
  return outcomes;
}

// ---- sleeping -----------------------------------------------------------------------------------

Instant PgStore::arm(std::vector<pollfd>& fds, Instant now) { return listener_.arm(fds, now); }

bool PgStore::woke(std::span<const pollfd> fds, Instant now) { return listener_.woke(fds, now); }

std::string PgStore::describe() const { return described_; }

PgStore::Settings store_settings(const StoreConfig& store, const OutboxConfig& outbox,
                                 const DedupeLimits& dedupe) {
  PgStore::Settings settings;
  settings.url = store.url;
  settings.migrate = store.migrate;
  settings.limits = {.window_bytes_max = outbox.window_bytes_max,
                     .payload_bytes_max = outbox.envelope_bytes_max};
  settings.dedupe = dedupe;
  settings.retention_days = outbox.retention_days;
  settings.archive_folder = outbox.archive_folder;
  if (outbox.poll_interval_ms != 0) settings.pace.poll_fallback = Millis{outbox.poll_interval_ms};
  return settings;
}

std::unique_ptr<OutboxStore> make_pg_store(const StoreConfig& store, const OutboxConfig& outbox,
                                           const DedupeLimits& dedupe) {
  auto settings = store_settings(store, outbox, dedupe);
  if (outbox.mode == OutboxMode::status) return std::make_unique<StatusStore>(std::move(settings));
  return std::make_unique<PgStore>(std::move(settings));
}

}  // namespace ringcast::pg
