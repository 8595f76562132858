#include "store/sqlite_operator.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "message/timestamp.hpp"
#include "store/archive_file.hpp"
#include "store/sqlite_holds.hpp"
#include "store/sqlite_retention.hpp"
#include "store/sqlite_schema.hpp"
#include "store/sqlite_store.hpp"

namespace ringcast {

namespace {

constexpr std::string_view kLetterSql =
    "select f.id, f.state, f.reason, f.error, f.attempts, f.first_at, f.last_at, f.event_id,"
    " o.tenant_id, o.aggregate_type, o.aggregate_id, o.event_type, o.room, o.payload_bytes,"
    " o.redrive_of, f.redriven_as"
    " from ringcast_failed f left join ringcast_outbox o on o.id = f.id";

DeadLetter letter_of(const SqliteStatement& at) {
  DeadLetter letter;
  letter.id = at.integer(0);
  letter.state = static_cast<DeadLetter::State>(at.integer(1));
  letter.reason = at.text(2);
  letter.error = at.text(3);
  letter.attempts = at.integer(4);
  letter.first_at = at.text(5);
  letter.last_at = at.text(6);
  letter.event_id = at.text(7);
  letter.tenant_id = at.text(8);
  letter.aggregate_type = at.text(9);
  letter.aggregate_id = at.text(10);
  letter.event_type = at.text(11);
  letter.room = at.text(12);
  letter.payload_bytes = at.integer(13);
  if (!at.is_null(14)) letter.redrive_of = at.integer(14);
  if (!at.is_null(15)) letter.redriven_as = at.integer(15);
  return letter;
}

Error no_such(std::int64_t id) {
  return {Errc::not_found, fmt::format("there is no dead letter {}", id)};
}

}  // namespace

Result<std::unique_ptr<OutboxOperator>> SqliteOperator::open(std::string_view url) {
  auto path = sqlite_path(url);
  if (!path) return path.error();
  std::error_code error;
  if (!std::filesystem::is_regular_file(*path, error))
    return {Errc::not_found, fmt::format("store: there is no file {}", *path)};
  auto connection = SqliteConnection::open_existing(*path, SqliteStore::kBusyTimeoutMs);
  if (!connection)
    return {connection.error().code, fmt::format("{} ({})", connection.error().detail, *path)};
  auto tables = connection->query_integer(
      "select count(*) from sqlite_schema where type = 'table' and name = 'ringcast_meta'");
  if (!tables) return {tables.error().code, fmt::format("{} ({})", tables.error().detail, *path)};
  if (*tables == 0)
    return {Errc::not_found,
            fmt::format("store: {} is not a Ringcast database; a daemon that is started on it "
                        "makes its tables",
                        *path)};
  if (auto checked = migrate_sqlite(*connection, StoreConfig::Migrate::check, *path); !checked)
    return checked.error();
  return std::unique_ptr<OutboxOperator>(
      new SqliteOperator(std::move(connection).value(), std::move(path).value()));
}

Result<OutboxOverview> SqliteOperator::overview() {
  auto transaction = SqliteTransaction::begin(connection_, SqliteTransaction::Kind::read);
  if (!transaction) return transaction.error();
  auto found = connection_.prepare(
      "select (select value from ringcast_meta where key = 'epoch'), p.delivered,"
      " (select count(*) from ringcast_outbox where id > p.delivered),"
      " (select (julianday('now') - 2440587.5) * 86400000 - created_at_ms from ringcast_outbox"
      "  where id > p.delivered order by id limit 1),"
      " (select count(*) from ringcast_failed where state = 2),"
      " (select count(*) from ringcast_failed where state = 1),"
      " (select count(*) from ringcast_failed where state = 2 and hold_at is not null"
      "  and released is null) from ringcast_progress p");
  if (!found) return found.error();
  if (const auto stepped = found->step(); !stepped) return stepped.error();
  OutboxOverview out;
  out.store = "sqlite:" + path_;
  out.epoch = found->text(0);
  out.delivered = static_cast<Offset>(found->integer(1));
  out.pending = static_cast<std::uint64_t>(found->integer(2));
  if (!found->is_null(3))
    out.pending_seconds =
        static_cast<double>(std::max(std::int64_t{0}, found->integer(3))) / 1'000.0;
  out.dead = static_cast<std::uint64_t>(found->integer(4));
  out.held = static_cast<std::uint64_t>(found->integer(5));
  out.holds = static_cast<std::uint64_t>(found->integer(6));
  return out;
}

Result<std::vector<DeadLetter>> SqliteOperator::list(const DeadLetterFilter& filter) {
  auto found = connection_.prepare(
      fmt::format("{} where f.id > ?1 and (?2 or f.state = 2 or ?7 and f.state = 1)"
                  " and (?3 = '' or o.event_type = ?3)"
                  " and (?4 = '' or o.tenant_id = ?4)"
                  " and (?5 = '' or f.last_at < strftime('%Y-%m-%dT%H:%M:%fZ', ?5))"
                  " order by f.id limit ?6",
                  kLetterSql));
  if (!found) return found.error();
  found->bind(1, filter.after_id).bind(2, std::int64_t{filter.all_states});
  found->bind(3, filter.event_type).bind(4, filter.tenant_id).bind(5, filter.before);
  found->bind(6, std::int64_t{filter.limit}).bind(7, std::int64_t{filter.held});
  std::vector<DeadLetter> letters;
  for (;;) {
    const auto stepped = found->step();
    if (!stepped) return stepped.error();
    if (*stepped == SqliteStatement::Step::done) return letters;
    letters.push_back(letter_of(*found));
  }
}

Result<DeadLetter> SqliteOperator::show(std::int64_t id) {
  auto found = connection_.prepare(fmt::format("{} where f.id = ?1", kLetterSql));
  if (!found) return found.error();
  const auto stepped = found->bind(1, id).step();
  if (!stepped) return stepped.error();
  if (*stepped == SqliteStatement::Step::done) return no_such(id);
  DeadLetter letter = letter_of(*found);
  auto payload = connection_.prepare(
      "select substr(payload, 1, ?2) from ringcast_outbox"
      " where id = ?1");
  if (!payload) return payload.error();
  if (const auto there = payload->bind(1, id).bind(2, kDeadLetterPayloadMax).step(); !there)
    return there.error();
  else if (*there == SqliteStatement::Step::row)
    letter.payload = payload->text(0);
  return letter;
}

Result<DeadLetter::State> SqliteOperator::state_of(std::int64_t id) {
  auto found = connection_.prepare("select state from ringcast_failed where id = ?1");
  if (!found) return found.error();
  const auto stepped = found->bind(1, id).step();
  if (!stepped) return stepped.error();
  if (*stepped == SqliteStatement::Step::done) return no_such(id);
  return static_cast<DeadLetter::State>(found->integer(0));
}

Result<void> SqliteOperator::set_state(std::int64_t id, DeadLetter::State state,
                                       std::optional<std::int64_t> redriven_as) {
  auto set = connection_.prepare(
      "update ringcast_failed set state = ?2, redriven_as = ?3,"
      " last_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') where id = ?1");
  if (!set) return set.error();
  set->bind(1, id).bind(2, static_cast<std::int64_t>(state));
  if (redriven_as)
    set->bind(3, *redriven_as);
  else
    set->bind_null(3);
  return set->run();
}

Result<std::int64_t> SqliteOperator::redrive(std::int64_t id) {
  auto transaction = SqliteTransaction::begin(connection_, SqliteTransaction::Kind::write);
  if (!transaction) return transaction.error();
  const auto state = state_of(id);
  if (!state) return state.error();
  if (*state != DeadLetter::State::dead) return not_dead(id, *state);
  const auto copy = copy_sqlite_row(connection_, id);
  if (!copy) return copy.error();
  if (!*copy)
    return {Errc::not_found, fmt::format("the row of dead letter {} is no longer there", id)};
  if (auto set = set_state(id, DeadLetter::State::redriven, **copy); !set) return set.error();
  if (auto committed = transaction->commit(); !committed) return committed.error();
  return **copy;
}

Result<void> SqliteOperator::drop(std::int64_t id) {
  auto transaction = SqliteTransaction::begin(connection_, SqliteTransaction::Kind::write);
  if (!transaction) return transaction.error();
  const auto state = state_of(id);
  if (!state) return state.error();
  if (*state != DeadLetter::State::dead && *state != DeadLetter::State::held)
    return not_dead(id, *state);
  const auto in_hold = connection_.query_integer(fmt::format(
      "select hold_at is not null and released is null from ringcast_failed where id = {}", id));
  if (!in_hold) return in_hold.error();
  if (*in_hold != 0)
    if (auto withdrawn = withdraw_sqlite_row(connection_, id); !withdrawn) return withdrawn;
  if (auto set = set_state(id, DeadLetter::State::dropped, std::nullopt); !set) return set;
  return transaction->commit();
}

Result<Epoch> SqliteOperator::rebase() {
  auto found = connection_.prepare("select value from ringcast_meta where key = 'epoch'");
  if (!found) return found.error();
  if (const auto stepped = found->step(); !stepped) return stepped.error();
  const Epoch epoch(found->text(0));
  found->reset();
  return renew_sqlite_epoch(connection_, epoch);
}

Result<ArchiveOutcome> SqliteOperator::archive(const ArchiveOrder& order) {
  const auto before = parse_timestamp(order.before_day + "T00:00:00Z");
  if (!before) return {Errc::validation, "expected a day as 2026-01-31"};
  auto file = ArchiveFile::open(order.file);
  if (!file) return file.error();
  OldRows which;
  which.before_ms = std::chrono::duration_cast<Millis>(before->time_since_epoch()).count();
  which.settled = order.after == ArchiveOrder::After::remove;
  ArchiveOutcome outcome;
  for (;;) {
    const auto page = read_old_rows(connection_, which, WithLines::yes);
    if (!page) return page.error();
    if (page->ids.empty()) break;
    if (auto appended = file->append(page->lines); !appended) return appended.error();
    outcome.rows += page->ids.size();
    which.after_id = page->ids.back();
    if (order.after == ArchiveOrder::After::keep) continue;
    if (auto synced = file->sync(); !synced) return synced.error();
    if (auto removed = remove_rows(connection_, page->ids); !removed) return removed.error();
  }
  if (auto synced = file->sync(); !synced) return synced.error();
  if (order.after == ArchiveOrder::After::keep) return outcome;
  const auto left = connection_.query_integer(fmt::format(
      "select count(*) from ringcast_outbox where created_at_ms < {}", which.before_ms));
  if (!left) return left.error();
  if (*left != 0)
    outcome.kept.push_back(
        fmt::format("{} rows stay: not delivered, dead letters, or the newest of all", *left));
  return outcome;
}

}  // namespace ringcast
