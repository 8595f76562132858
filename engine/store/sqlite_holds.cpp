#include "store/sqlite_holds.hpp"

#include <fmt/format.h>

#include <optional>
#include <string>

namespace ringcast {

namespace {

// A redriven row goes on where the one that it was made of stood.
constexpr std::string_view kFailSql =
    "insert or ignore into ringcast_failed(id, event_id, reason, error, state, hold_at, attempts,"
    " first_at) select ?1, ?2, ?3, ?4, case ?3 when 'held' then 1 else 2 end, nullif(?5, 0),"
    " (?3 <> 'held') + coalesce(f.attempts, 0),"
    " coalesce(f.first_at, strftime('%Y-%m-%dT%H:%M:%fZ', 'now')) from (select 1)"
    " left join ringcast_outbox o on o.id = ?1 left join ringcast_failed f on f.id = o.redrive_of";

constexpr std::string_view kHeldSql =
    "select f.id, coalesce(f.hold_at, 0), f.reason <> 'held',"
    " o.id is not null and f.hold_at is not null and (f.released is null or f.released > ?2),"
    " o.tenant_id, o.aggregate_type, o.aggregate_id"
    " from ringcast_failed f left join ringcast_outbox o on o.id = f.id"
    " where (f.hold_at is not null or f.reason = 'hold_full') and f.id <= ?2 and (f.id > ?1"
    "  or f.hold_at is not null and (f.released is null or f.released > ?2))"
    " order by f.hold_at, f.id";

// Each write wakes every other daemon on this file, so what is known is not written again.
Result<bool> has(SqliteConnection& connection, std::string_view sql, std::int64_t id) {
  auto found = connection.prepare(sql);
  if (!found) return found.error();
  const auto stepped = found->bind(1, id).step();
  if (!stepped) return stepped.error();
  return *stepped == SqliteStatement::Step::row;
}

constexpr std::string_view kWaits = "select 1 from ringcast_failed where id = ?1 and state = 1";
constexpr std::string_view kInHold =
    "select 1 from ringcast_failed where id = ?1 and released is null";

Result<void> put_back_one(SqliteConnection& connection, std::int64_t id) {
  const auto waits = has(connection, kWaits, id);
  if (!waits) return waits.error();
  if (!*waits) return {};
  const auto copy = copy_sqlite_row(connection, id);
  if (!copy) return copy.error();
  // Who deleted the row has decided that it is not delivered; what waits behind it goes on.
  if (!*copy)
    if (auto withdrawn = withdraw_sqlite_row(connection, id); !withdrawn) return withdrawn;
  auto set = connection.prepare(
      "update ringcast_failed set state = ?2, redriven_as = ?3,"
      " last_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') where id = ?1");
  if (!set) return set.error();
  set->bind(1, id).bind(2, std::int64_t{*copy ? 3 : 4});
  if (*copy)
    set->bind(3, **copy);
  else
    set->bind_null(3);
  return set->run();
}

}  // namespace

Result<void> fail_sqlite_rows(SqliteConnection& connection, std::span<const FailedRow> rows) {
  std::vector<const FailedRow*> unknown;
  for (const FailedRow& row : rows) {
    const auto known = has(connection, "select 1 from ringcast_failed where id = ?1", row.id);
    if (!known) return known.error();
    if (!*known) unknown.push_back(&row);
  }
  if (unknown.empty()) return {};
  auto transaction = SqliteTransaction::begin(connection, SqliteTransaction::Kind::write);
  if (!transaction) return transaction.error();
  auto insert = connection.prepare(kFailSql);
  if (!insert) return insert.error();
  for (const FailedRow* row : unknown) {
    insert->bind(1, row->id).bind(2, row->event_id).bind(3, row->reason).bind(4, row->error);
    insert->bind(5, static_cast<std::int64_t>(row->hold_at));
    if (auto run = insert->run(); !run) return run;
  }
  return transaction->commit();
}

Result<std::vector<HeldRow>> sqlite_held_rows(SqliteConnection& connection, Offset floor,
                                              Offset delivered) {
  auto found = connection.prepare(kHeldSql);
  if (!found) return found.error();
  found->bind(1, static_cast<std::int64_t>(floor)).bind(2, static_cast<std::int64_t>(delivered));
  std::vector<HeldRow> rows;
  for (;;) {
    const auto stepped = found->step();
    if (!stepped) return stepped.error();
    if (*stepped == SqliteStatement::Step::done) return rows;
    rows.push_back({found->integer(0), static_cast<Offset>(found->integer(1)),
                    found->integer(2) != 0, found->integer(3) != 0,
                    aggregate_name(found->text(4), found->text(5), found->text(6))});
  }
}

Result<void> end_sqlite_holds(SqliteConnection& connection, std::span<const EndedHold> ended) {
  bool news = false;
  for (const EndedHold& one : ended) {
    const auto in_hold = has(connection, kInHold, one.id);
    if (!in_hold) return in_hold.error();
    news = news || *in_hold;
  }
  if (!news) return {};
  auto transaction = SqliteTransaction::begin(connection, SqliteTransaction::Kind::write);
  if (!transaction) return transaction.error();
  auto end = connection.prepare(
      "update ringcast_failed set released = ?2 where id = ?1 and released is null");
  if (!end) return end.error();
  for (const EndedHold& one : ended) {
    end->bind(1, one.id).bind(2, static_cast<std::int64_t>(one.at));
    if (auto run = end->run(); !run) return run;
  }
  return transaction->commit();
}

Result<void> put_back_sqlite(SqliteConnection& connection, std::span<const std::int64_t> ids) {
  bool news = false;
  for (const std::int64_t id : ids) {
    const auto waits = has(connection, kWaits, id);
    if (!waits) return waits.error();
    news = news || *waits;
  }
  if (!news) return {};
  auto transaction = SqliteTransaction::begin(connection, SqliteTransaction::Kind::write);
  if (!transaction) return transaction.error();
  for (const std::int64_t id : ids)
    if (auto done = put_back_one(connection, id); !done) return done;
  return transaction->commit();
}

Result<std::optional<std::int64_t>> copy_sqlite_row(SqliteConnection& connection, std::int64_t id) {
  auto insert = connection.prepare(
      "insert into ringcast_outbox(event_id, kind, version, tenant_id, aggregate_type,"
      " aggregate_id, event_type, room, exclude_user, conflation_key, occurred_at, headers,"
      " payload, redrive_of) select event_id, kind, version, tenant_id, aggregate_type,"
      " aggregate_id, event_type, room, exclude_user, conflation_key, occurred_at, headers,"
      " payload, id from ringcast_outbox where id = ?1 returning id");
  if (!insert) return insert.error();
  const auto inserted = insert->bind(1, id).step();
  if (!inserted)
    return Error{inserted.error().code,
                 fmt::format("row {} can not be written again: {}", id, inserted.error().detail)};
  if (*inserted == SqliteStatement::Step::done) return std::optional<std::int64_t>{};
  return std::optional<std::int64_t>{insert->integer(0)};
}

Result<void> withdraw_sqlite_row(SqliteConnection& connection, std::int64_t id) {
  auto insert = connection.prepare(
      "insert into ringcast_outbox(kind, event_type, room, payload, redrive_of)"
      " values(1, ?2, ?2, '{}', ?1)");
  if (!insert) return insert.error();
  return insert->bind(1, id).bind(2, kWithdrawnType).run();
}

}  // namespace ringcast
