#include "pg/status_store.hpp"

#include <memory>
#include <utility>

#include "base/log.hpp"
#include "pg/epoch.hpp"
#include "pg/status_reader.hpp"

namespace ringcast::pg {

namespace {

// The second report of a row changes nothing; it only makes the row known to the update.
const Statement kFail = {"fail_status", R"sql(
with f as (
  insert into ringcast.failed as old
    (source, id, event_id, state, reason, error, attempts, first_at, position, hold_at)
  select 'outbox', t.id, nullif(t.event_id, '')::uuid, case t.reason when 'held' then 1 else 2 end,
         t.reason, t.error, (t.reason <> 'held')::int + coalesce(f.attempts, 0),
         coalesce(f.first_at, clock_timestamp()), t.position, nullif(t.hold_at, 0)
  from unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[])
    as t(id, event_id, reason, error, position, hold_at)
  left join ringcast.outbox o on o.id = t.id
  left join ringcast.failed f on f.source = 'outbox' and f.id = o.redrive_of
  on conflict (source, id) do update set reason = old.reason
  returning id, reason, error, attempts)
update ringcast.outbox o
set status = 'failed', reason = f.reason, error = f.error, attempts = f.attempts
from f where o.id = f.id and o.status = 'pending')sql"};

// What the next windows hold, sixteen at most: a statement that takes long holds up the delivery.
// Gives the offset up to which it came. $1 settled up to here, $2 to be settled up to there.
const Statement kSettle = {"settle", R"sql(
with step as materialized (
  select least($2::bigint, coalesce(max(no) * 8192 + 8191, $2::bigint)) as top
  from (select no from ringcast.reader_window
        where source = 'outbox' and no > $1::bigint / 8192 order by no limit 16) w),
done as (
  update ringcast.outbox set status = 'published'
  where position > 0 and position > $1::bigint and position <= (select top from step)
    and status = 'pending')
select top from step)sql"};

}  // namespace

StatusStore::StatusStore(Settings settings)
    : PgStore(settings,
              std::make_unique<StatusReader>(settings.node, settings.limits.payload_bytes_max)) {}

StatusStore::~StatusStore() {
  Connection* open = connection();
  if (open == nullptr) return;
  const auto given =
      open->query("update ringcast.claim_lease set lease_until = '-infinity' where node = $1",
                  Params{}.add(settings().node));
  if (!given) log::debug("outbox leases: {}", given.error().detail);
}

Result<void> StatusStore::check_mode(Connection& connection) {
  auto mode = mode_of(connection);
  if (!mode) return mode.error();
  if (*mode == "status") return {};
  auto used = connection.query("select exists (select from ringcast.reader_window)");
  if (!used) return used.error();
  if (used->flag(0, 0))
    return Error{Errc::validation,
                 "this outbox is read in window mode: set outbox.mode = \"window\", or stop its "
                 "daemons and run `select ringcast.set_outbox_mode('status')` as the schema's "
                 "owner"};
  auto set = connection.query("select ringcast.set_outbox_mode('status')");
  if (set) return {};
  Error error = set.error();
  if (error.code == Errc::forbidden)
    error.detail =
        "the schema's owner has to run `select ringcast.set_outbox_mode('status')` once (" +
        error.detail + ")";
  return error;
}

// Its order does not rest on transaction numbers, so those of another cluster are no hindrance.
Result<std::string> StatusStore::settle_epoch(Connection& connection) {
  return pg::settle_epoch(connection);
}

const Statement& StatusStore::fail_statement() const { return kFail; }

Result<void> StatusStore::settle_rows(Connection& connection, Offset top) {
  auto rows = connection.query("select delivered from ringcast.progress where source = 'outbox'");
  if (!rows) return rows.error();
  auto settled = rows->empty() ? top : static_cast<Offset>(rows->number(0, 0));
  while (settled < top) {
    auto done = connection.execute(kSettle, Params{}.add(settled).add(top));
    if (!done) return done.error();
    settled = static_cast<Offset>(done->number(0, 0));
  }
  return {};
}

}  // namespace ringcast::pg
