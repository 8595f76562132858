#include "pg/pg_operator.hpp"

#include <fmt/format.h>

#include <utility>

#include "message/timestamp.hpp"
#include "pg/epoch.hpp"
#include "pg/migration.hpp"

namespace ringcast::pg {

namespace {

// Only rebase() takes longer than a daemon's statements, which the server ends after 10 s.
constexpr Millis kStatementMax{3'600'000};

// What was not visible yet to the last window that was delivered: two ranges of the index (xid,
// id).
constexpr std::string_view kPendingByWindow = R"sql(
w as (
  select case when w.more then w.snap_from else w.snap_to end as seen, w.snap_to,
         case when w.more then w.id_to else 9223372036854775807 end as id_to
  from ringcast.progress p join ringcast.reader_window w using (source)
  where source = 'outbox' and w.no * 8192 + w.n <= p.delivered order by w.no desc limit 1),
f as (select coalesce((select seen from w), '1:1:'::pg_snapshot) as seen),
new as (
  select id, xid, created_at from ringcast.outbox
  where xid >= pg_snapshot_xmax((select seen from f))
  union all
  select id, xid, created_at from ringcast.outbox
  where xid = any(array(select pg_snapshot_xip((select seen from f))))),
pending as (
  select count(*) as rows, extract(epoch from clock_timestamp() - min(created_at))::float8 as age
  from new left join w on true
  where not coalesce(pg_visible_in_snapshot(new.xid, w.snap_to) and new.id <= w.id_to, false))
)sql";

constexpr std::string_view kPendingByStatus = R"sql(
new as (
  select created_at from ringcast.outbox where position = 0
  union all
  select created_at from ringcast.outbox
  where position > 0
    and position > (select delivered from ringcast.progress where source = 'outbox')),
pending as (
  select count(*) as rows, extract(epoch from clock_timestamp() - min(created_at))::float8 as age
  from new)
)sql";

// {}: what makes `pending`.
constexpr std::string_view kOverview = R"sql(
with {},
l as (select no, n, extract(epoch from clock_timestamp() - at)::float8 as age
      from ringcast.reader_window where source = 'outbox' order by no desc limit 1),
t as (select pid, application_name,
             extract(epoch from clock_timestamp() - xact_start)::float8 as age
      from pg_stat_activity
      where datname = current_database() and xact_start is not null and pid <> pg_backend_pid()
        and backend_type = 'client backend'
      order by xact_start limit 1)
select (select epoch from ringcast.meta),
       (select delivered from ringcast.progress where source = 'outbox'), pending.rows, pending.age,
       (select count(*) from ringcast.failed where source = 'outbox' and state = 2),
       (select count(*) from ringcast.failed where source = 'outbox' and state = 1),
       (select count(*) from ringcast.failed
        where source = 'outbox' and state = 2 and hold_at is not null and released is null),
       l.no, l.n, l.age, t.pid, t.application_name, t.age
from pending left join l on true left join t on true)sql";

constexpr std::string_view kLetter = R"sql(
select f.id, f.state, f.reason, coalesce(f.error, ''), f.attempts, f.first_at, f.last_at,
       coalesce(o.event_id, f.event_id), o.tenant_id, o.aggregate_type, o.aggregate_id,
       o.event_type, o.room, octet_length(o.payload), o.redrive_of,
       f.redriven_as, {}
from ringcast.failed f left join ringcast.outbox o on o.id = f.id
where f.source = 'outbox' and {})sql";

constexpr const char* kRedrive = R"sql(
with o as (
  select o.* from ringcast.failed f join ringcast.outbox o on o.id = f.id
  where f.source = 'outbox' and f.id = $1::bigint and f.state = 2 for update of f),
n as (
  insert into ringcast.outbox (event_id, kind, version, tenant_id, aggregate_type, aggregate_id,
    event_type, room, exclude_user, conflation_key, occurred_at, headers, payload, redrive_of)
  select event_id, kind, version, tenant_id, aggregate_type, aggregate_id, event_type, room,
         exclude_user, conflation_key, occurred_at, headers, payload, id
  from o returning id)
update ringcast.failed set state = 3, redriven_as = n.id, last_at = clock_timestamp()
from n where source = 'outbox' and failed.id = $1::bigint returning n.id)sql";

DeadLetter letter_of(const Rows& rows, std::size_t at) {
  const auto text = [&](int column) { return std::string(rows.text(at, column)); };
  DeadLetter letter;
  letter.id = rows.number(at, 0);
  letter.state = static_cast<DeadLetter::State>(rows.number(at, 1));
  letter.reason = text(2);
  letter.error = text(3);
  letter.attempts = rows.number(at, 4);
  if (const auto first = rows.time(at, 5)) letter.first_at = timestamp(*first);
  if (const auto last = rows.time(at, 6)) letter.last_at = timestamp(*last);
  if (!rows.null(at, 7)) letter.event_id = rows.uuid(at, 7).text();
  letter.tenant_id = text(8);
  letter.aggregate_type = text(9);
  letter.aggregate_id = text(10);
  letter.event_type = text(11);
  letter.room = text(12);
  letter.payload_bytes = rows.number(at, 13);
  if (!rows.null(at, 14)) letter.redrive_of = rows.number(at, 14);
  if (!rows.null(at, 15)) letter.redriven_as = rows.number(at, 15);
  letter.payload = text(16);
  return letter;
}

Error explained(Error error) {
  if (error.code == Errc::forbidden)
    error.detail += "; the schema's owner gives the rights: select ringcast.grant_daemon('role')";
  return error;
}

}  // namespace

Result<std::unique_ptr<OutboxOperator>> PgOperator::open(const std::string& url) {
  auto made = Connection::open(url, "ringcast outbox", {.statement = kStatementMax});
  if (!made) return made.error();
  auto there = made->query("select to_regclass('ringcast.schema_migration') is not null");
  if (!there) return there.error();
  if (!there->flag(0, 0))
    return Error{Errc::not_found,
                 fmt::format("{} is not a Ringcast database: it has no schema ringcast; a daemon "
                             "that is started on it makes one",
                             made->describe())};
  if (auto checked = migrate(*made, StoreConfig::Migrate::check); !checked)
    return explained(checked.error());
  return std::unique_ptr<OutboxOperator>(new PgOperator(std::move(made).value()));
}

Result<OutboxOverview> PgOperator::overview() {
  auto status = connection_.query("select mode = 'status' from ringcast.meta");
  if (!status) return explained(status.error());
  const bool by_status = !status->empty() && status->flag(0, 0);
  auto rows =
      connection_.query(fmt::format(kOverview, by_status ? kPendingByStatus : kPendingByWindow));
  if (!rows) return explained(rows.error());
  OutboxOverview out;
  out.store = connection_.describe();
  out.epoch = rows->text(0, 0);
  out.delivered = static_cast<Offset>(rows->number(0, 1));
  out.pending = static_cast<std::uint64_t>(rows->number(0, 2));
  if (!rows->null(0, 3)) out.pending_seconds = std::max(0.0, rows->real(0, 3));
  out.dead = static_cast<std::uint64_t>(rows->number(0, 4));
  out.held = static_cast<std::uint64_t>(rows->number(0, 5));
  out.holds = static_cast<std::uint64_t>(rows->number(0, 6));
  if (!rows->null(0, 7))
    out.last_window = {rows->number(0, 7), static_cast<std::uint64_t>(rows->number(0, 8)),
                       rows->real(0, 9)};
  if (!rows->null(0, 10))
    out.oldest_transaction = {rows->number(0, 10), std::string(rows->text(0, 11)),
                              rows->real(0, 12)};
  if (auto added = add_daemons(out); !added) return added.error();
  return out;
}

Result<void> PgOperator::add_daemons(OutboxOverview& out) {
  auto rows = connection_.query(
      "select node, armed, extract(epoch from lease_until - clock_timestamp())::float8"
      " from ringcast.reader where source = 'outbox' order by node");
  if (!rows) return explained(rows.error());
  for (std::size_t i = 0; i < rows->size(); ++i)
    out.daemons.push_back({std::string(rows->text(i, 0)), rows->flag(i, 1), rows->real(i, 2)});
  return {};
}

Result<std::vector<DeadLetter>> PgOperator::list(const DeadLetterFilter& filter) {
  auto rows = connection_.query(
      fmt::format(kLetter, "null::text",
                  "f.id > $1::bigint and ($2::boolean or f.state = 2"
                  " or $7::boolean and f.state = 1)"
                  " and ($3 = '' or o.event_type = $3) and ($4 = '' or o.tenant_id = $4)"
                  " and ($5 = '' or f.last_at < nullif($5, '')::timestamptz)"
                  " order by f.id limit $6::bigint"),
      Params{}
          .add(filter.after_id)
          .add(std::string_view(filter.all_states ? "true" : "false"))
          .add(filter.event_type)
          .add(filter.tenant_id)
          .add(filter.before)
          .add(filter.limit)
          .add(std::string_view(filter.held ? "true" : "false")));
  if (!rows) return explained(rows.error());
  std::vector<DeadLetter> letters;
  for (std::size_t i = 0; i < rows->size(); ++i) letters.push_back(letter_of(*rows, i));
  return letters;
}

Result<DeadLetter> PgOperator::show(std::int64_t id) {
  auto rows = connection_.query(
      fmt::format(kLetter, "substring(o.payload from 1 for $2::int)", "f.id = $1::bigint"),
      Params{}.add(id).add(kDeadLetterPayloadMax));
  if (!rows) return explained(rows.error());
  if (rows->empty()) return Error{Errc::not_found, fmt::format("there is no dead letter {}", id)};
  return letter_of(*rows, 0);
}

Error PgOperator::why_not(std::int64_t id) {
  auto letter = show(id);
  if (!letter) return letter.error();
  return not_dead(id, letter->state);
}

Result<std::int64_t> PgOperator::redrive(std::int64_t id) {
  auto rows = connection_.query(kRedrive, Params{}.add(id));
  if (!rows) {
    Error error = explained(rows.error());
    error.detail = fmt::format("row {} can not be redriven: {}", id, error.detail);
    return error;
  }
  if (rows->empty()) return why_not(id);
  return rows->number(0, 0);
}

Result<void> PgOperator::drop(std::int64_t id) {
  auto rows = connection_.query(
      "with f as (update ringcast.failed set state = 4, last_at = clock_timestamp()"
      " where source = 'outbox' and id = $1::bigint and state in (1, 2)"
      " returning id, hold_at, released)"
      " select id, case when hold_at is not null and released is null"
      " then ringcast.withdraw(id) end from f",
      Params{}.add(id));
  if (!rows) return explained(rows.error());
  if (rows->empty()) return why_not(id);
  return {};
}

Result<Epoch> PgOperator::rebase() {
  if (auto done = connection_.run("set statement_timeout = 0"); !done) return done.error();
  if (auto done = connection_.query("select ringcast.rebase()"); !done) {
    Error error = done.error();
    if (error.code == Errc::forbidden) error.detail += "; only the schema's owner may rebase";
    return error;
  }
  return current_epoch(connection_);
}

Result<ArchiveOutcome> PgOperator::archive(const ArchiveOrder& order) {
  auto locked = lock_archive(connection_);
  if (!locked) return explained(locked.error());
  if (!*locked) return Error{Errc::conflict, "another program archives this outbox just now"};
  auto file = ArchiveFile::open(order.file);
  if (!file) return file.error();
  auto leaves = old_leaves(connection_, order.before_day);
  if (!leaves) return explained(leaves.error());
  ArchiveOutcome outcome;
  for (OldLeaf& leaf : *leaves) {
    const bool removes = order.after == ArchiveOrder::After::remove;
    if (removes && !leaf.retired) {
      auto stays = retire_leaf(connection_, leaf.day, Retired::kept);
      if (!stays) return explained(stays.error());
      if (stays->has_value()) {
        outcome.kept.push_back(fmt::format("the partition of {} stays: {}", leaf.day, **stays));
        continue;
      }
      leaf.retired = true;
    }
    if (auto done = archive_leaf(leaf, *file, outcome); !done) return explained(done.error());
    if (!removes) continue;
    if (auto dropped = drop_retired_leaf(connection_, leaf.day); !dropped)
      return explained(dropped.error());
  }
  auto rest =
      connection_.query("select count(*) from ringcast.outbox_default where created_at < $1::date",
                        Params{}.add(order.before_day));
  if (!rest) return explained(rest.error());
  if (const auto rows = rest->number(0, 0); rows != 0)
    outcome.kept.push_back(fmt::format("{} rows of days that had no partition stay", rows));
  return outcome;
}

Result<void> PgOperator::archive_leaf(const OldLeaf& leaf, ArchiveFile& file,
                                      ArchiveOutcome& outcome) {
  for (std::int64_t last_id = 0;;) {
    auto page = read_leaf_page(connection_, leaf, last_id);
    if (!page) return page.error();
    if (page->rows == 0) return file.sync();
    if (auto appended = file.append(page->lines); !appended) return appended;
    outcome.rows += page->rows;
    last_id = page->last_id;
  }
}

}  // namespace ringcast::pg
