#include "store/sqlite_schema.hpp"

#include <fmt/format.h>

#include <iterator>

#include "message/uuid.hpp"

namespace ringcast {

namespace {

// The only numbering is AUTOINCREMENT's: ids are given under the write lock, so that the order of
// ids is the order of commits and an id is never used again. The triggers refuse what would break
// that.
//
// payload is the last column and its size is a column of its own: a row that is too large is
// recognised without reading the pages that it spills over.
constexpr const char* kVersion1 = R"sql(
create table ringcast_meta(key text primary key, value text not null) without rowid;

create table ringcast_daemon(id text primary key, boot_id text not null, opened_at text not null
  default (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))) without rowid;

create table ringcast_outbox(
  id integer primary key autoincrement check (id between 1 and 9007199254740991),
  event_id text not null default (lower(
    hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-'
    || substr('89ab', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2) || '-'
    || hex(randomblob(6)))),
  kind integer not null default 0 check (kind in (0, 1)),
  version integer not null default 1,
  tenant_id text,
  aggregate_type text,
  aggregate_id text,
  event_type text not null check (length(cast(event_type as blob)) between 1 and 128),
  room text,
  exclude_user text,
  conflation_key text,
  occurred_at text not null default (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  created_at_ms integer not null
    default (cast((julianday('now') - 2440587.5) * 86400000 as integer)),
  headers text,
  payload_bytes integer generated always as (length(cast(payload as blob))) stored,
  payload text not null,
  constraint row_has_its_origin check (
    kind = 1 and room is not null
    or kind = 0 and tenant_id is not null and length(tenant_id) between 1 and 120
      and tenant_id not glob '*[^A-Za-z0-9_.~-]*'
      and coalesce(aggregate_type, '') <> '' and coalesce(aggregate_id, '') <> ''
      and (room is not null
        or instr(event_type || '.', '.') between 2 and 121
          and substr(event_type, 1, instr(event_type || '.', '.') - 1)
            not glob '*[^A-Za-z0-9_.~-]*')));

create trigger ringcast_outbox_id after insert on ringcast_outbox
when new.id <= coalesce((select seq from sqlite_sequence where name = 'ringcast_outbox'), 0)
begin
  select raise(abort, 'ringcast_outbox: leave id out, it is given in the order of commits');
end;

create trigger ringcast_outbox_keeps_id before update of id on ringcast_outbox
when new.id is not old.id
begin
  select raise(abort, 'ringcast_outbox: id is a position and can not be changed');
end;

create table ringcast_failed(
  id integer primary key,
  event_id text not null,
  state integer not null default 2,
  reason text not null,
  error text not null,
  attempts integer not null default 1,
  first_at text not null default (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  last_at text not null default (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')));

create table ringcast_publish_key(
  room text not null,
  user_id text not null,
  key text not null,
  outbox_id integer not null,
  event_id text not null,
  at_ms integer not null,
  primary key (room, user_id, key)) without rowid;
create index ringcast_publish_key_room on ringcast_publish_key(room, at_ms);
create index ringcast_publish_key_at on ringcast_publish_key(at_ms);

create view ringcast_outbox_status as
select o.id, o.event_id, o.tenant_id, o.aggregate_type, o.aggregate_id, o.event_type, o.room,
  case when f.id is not null then 'failed'
    when o.id <= coalesce((select cast(value as integer) from ringcast_meta
      where key = 'recorded'), o.id) then 'published'
    else 'pending' end as status,
  f.reason, f.error, coalesce(f.attempts, 0) as attempts, o.occurred_at, o.created_at_ms
from ringcast_outbox o left join ringcast_failed f on f.id = o.id;
)sql";

// The limits of message/envelope.hpp and names.hpp, so that a row that the engine would fail is
// refused while its writer can still mend it. A trigger, because SQLite adds no CHECK to a table;
// rows that are there already stay, and become failed rows as before. glob and length end at
// U+0000.
constexpr const char* kVersion2 = R"sql(
create trigger ringcast_outbox_limits before insert on ringcast_outbox
begin
  select case
    when length(cast(new.aggregate_type as blob)) > 255
      then raise(abort, 'ringcast_outbox: aggregate_type has more than 255 octets')
    when length(cast(new.aggregate_id as blob)) > 255
      then raise(abort, 'ringcast_outbox: aggregate_id has more than 255 octets')
    when length(cast(new.conflation_key as blob)) > 255
      then raise(abort, 'ringcast_outbox: conflation_key has more than 255 octets')
    when length(cast(new.room as blob)) not between 1 and 255
      then raise(abort, 'ringcast_outbox: room has not 1 to 255 octets')
    when length(cast(new.exclude_user as blob)) > 120
      or new.exclude_user glob '*[^A-Za-z0-9_.~-]*' or instr(new.exclude_user, char(0)) > 0
      then raise(abort, 'ringcast_outbox: exclude_user is not 1 to 120 of A-Z a-z 0-9 _ . ~ -')
    end;
end;
)sql";

// Dead letters with their history, and how far rows were delivered: what failed is written down
// before the row counts as delivered, so that no row is `published` first and `failed` afterwards.
// What was there before this version was delivered, as far as anybody knows.
constexpr const char* kVersion3 = R"sql(
alter table ringcast_outbox add column redrive_of integer;

alter table ringcast_failed add column redriven_as integer;
create index ringcast_failed_dead on ringcast_failed(id) where state = 2;

create table ringcast_progress(
  only_row integer primary key default 1 check (only_row = 1),
  delivered integer not null);
insert into ringcast_progress(delivered) select coalesce(
  (select cast(value as integer) from ringcast_meta where key = 'recorded'),
  (select seq from sqlite_sequence where name = 'ringcast_outbox'), 0);

drop view ringcast_outbox_status;
create view ringcast_outbox_status as
select o.id, o.event_id, o.tenant_id, o.aggregate_type, o.aggregate_id, o.event_type, o.room,
  case when f.state >= 2 then 'failed'
    when o.id <= (select delivered from ringcast_progress) then 'published'
    else 'pending' end as status,
  f.reason, f.error, coalesce(f.attempts, 0) as attempts, o.redrive_of, o.occurred_at,
  o.created_at_ms
from ringcast_outbox o left join ringcast_failed f on f.id = o.id;
)sql";

// What Trial in outbox_store.hpp says, of the position in the same row.
constexpr const char* kVersion4 = R"sql(
alter table ringcast_progress add column starts integer not null default 0;
alter table ringcast_progress add column begun integer not null default 0;
)sql";

// Rows that wait behind a failed one: FailedRow and EndedHold say what the columns are. A row that
// withdraws another is the operator's word, not an event.
constexpr const char* kVersion5 = R"sql(
alter table ringcast_failed add column hold_at integer;
alter table ringcast_failed add column released integer;
create index ringcast_failed_held on ringcast_failed(id) where state = 1;
create index ringcast_failed_hold on ringcast_failed(hold_at) where hold_at is not null;

drop view ringcast_outbox_status;
create view ringcast_outbox_status as
select o.id, o.event_id, o.tenant_id, o.aggregate_type, o.aggregate_id, o.event_type, o.room,
  case when f.state >= 1 then 'failed'
    when o.id <= (select delivered from ringcast_progress) then 'published'
    else 'pending' end as status,
  f.reason, f.error, coalesce(f.attempts, 0) as attempts, o.redrive_of, o.occurred_at,
  o.created_at_ms
from ringcast_outbox o left join ringcast_failed f on f.id = o.id
where o.event_type <> 'ringcast:withdrawn' or o.redrive_of is null;
)sql";

constexpr const char* kVersions[] = {kVersion1, kVersion2, kVersion3, kVersion4, kVersion5};
static_assert(std::size(kVersions) == kSqliteSchemaVersion);

Result<bool> has_meta(SqliteConnection& connection) {
  const auto found = connection.query_integer(
      "select count(*) from sqlite_schema where type = 'table' and name = 'ringcast_meta'");
  if (!found) return found.error();
  return *found != 0;
}

Result<std::string> meta(SqliteConnection& connection, std::string_view key) {
  auto statement = connection.prepare("select value from ringcast_meta where key = ?1");
  if (!statement) return statement.error();
  const auto stepped = statement->bind(1, key).step();
  if (!stepped) return stepped.error();
  return *stepped == SqliteStatement::Step::row ? std::string(statement->text(0)) : "";
}

Result<void> set_meta(SqliteConnection& connection, std::string_view key, std::string_view value) {
  auto statement = connection.prepare("insert or replace into ringcast_meta values(?1, ?2)");
  if (!statement) return statement.error();
  return statement->bind(1, key).bind(2, value).run();
}

// 0: the tables are not there.
Result<std::int64_t> schema_version(SqliteConnection& connection) {
  const auto there = has_meta(connection);
  if (!there) return there.error();
  if (!*there) return std::int64_t{0};
  return connection.query_integer(
      "select cast(value as integer) from ringcast_meta where key = 'schema_version'");
}

// Whether ids below the last one may have been given to other rows than before.
Result<bool> may_repeat_ids(SqliteConnection& connection, const SqliteOrigin& origin) {
  const auto epoch = meta(connection, "epoch");
  if (!epoch) return epoch.error();
  const auto inode = meta(connection, "inode");
  if (!inode) return inode.error();
  if (epoch->empty() || *inode != origin.inode) return true;
  auto strangers = connection.prepare("select count(*) from ringcast_daemon where boot_id <> ?1");
  if (!strangers) return strangers.error();
  const auto stepped = strangers->bind(1, origin.boot_id).step();
  if (!stepped) return stepped.error();
  return strangers->integer(0) != 0;
}

// What was said about rows that are no longer there must not stick to rows that take their ids.
Result<Epoch> write_new_epoch(SqliteConnection& connection) {
  Epoch epoch = Uuid::random().text();
  if (auto written = set_meta(connection, "epoch", epoch); !written) return written.error();
  auto forgotten = connection.execute(
      "delete from ringcast_failed"
      "  where id > (select coalesce(max(id), 0) from ringcast_outbox);"
      "delete from ringcast_publish_key"
      "  where outbox_id > (select coalesce(max(id), 0) from ringcast_outbox);"
      "update ringcast_progress set starts = 0, begun = 0, delivered = min(delivered,"
      "  (select coalesce(max(id), 0) from ringcast_outbox));");
  if (!forgotten) return forgotten.error();
  return epoch;
}

}  // namespace

Result<void> migrate_sqlite(SqliteConnection& connection, StoreConfig::Migrate migrate,
                            const std::string& path, std::int64_t newest) {
  if (migrate == StoreConfig::Migrate::off) return {};
  const auto found = schema_version(connection);
  if (!found) return found.error();
  if (*found > newest)
    return {Errc::validation,
            fmt::format("store: {} has schema {}, this Ringcast knows up to {}: use a newer one",
                        path, *found, newest)};
  if (*found == newest) return {};
  if (migrate == StoreConfig::Migrate::check)
    return {Errc::validation,
            fmt::format("store: {} has schema {}, expected {}: set store.migrate to \"apply\"",
                        path, *found, newest)};
  auto transaction = SqliteTransaction::begin(connection, SqliteTransaction::Kind::write);
  if (!transaction) return transaction.error();
  // Another daemon may have been first between the look and the lock.
  const auto again = schema_version(connection);
  if (!again) return again.error();
  if (*again >= newest) return {};
  for (std::int64_t at = *again; at < newest; ++at)
    if (auto made = connection.execute(kVersions[at]); !made) return made;
  if (auto set = set_meta(connection, "schema_version", std::to_string(newest)); !set) return set;
  return transaction->commit();
}

Result<Epoch> enter_sqlite(SqliteConnection& connection, const SqliteOrigin& origin) {
  auto transaction = SqliteTransaction::begin(connection, SqliteTransaction::Kind::write);
  if (!transaction) return transaction.error();
  const auto repeats = may_repeat_ids(connection, origin);
  if (!repeats) return repeats.error();
  auto epoch = *repeats ? write_new_epoch(connection) : meta(connection, "epoch");
  if (!epoch) return epoch;
  if (auto set = set_meta(connection, "inode", origin.inode); !set) return set.error();
  auto forget = connection.prepare("delete from ringcast_daemon where boot_id <> ?1");
  if (!forget) return forget.error();
  if (auto run = forget->bind(1, origin.boot_id).run(); !run) return run.error();
  auto enter =
      connection.prepare("insert or replace into ringcast_daemon(id, boot_id) values(?1, ?2)");
  if (!enter) return enter.error();
  if (auto run = enter->bind(1, origin.daemon).bind(2, origin.boot_id).run(); !run)
    return run.error();
  if (auto committed = transaction->commit(); !committed) return committed.error();
  return epoch;
}

Result<Epoch> renew_sqlite_epoch(SqliteConnection& connection, const Epoch& expected) {
  auto transaction = SqliteTransaction::begin(connection, SqliteTransaction::Kind::write);
  if (!transaction) return transaction.error();
  auto epoch = meta(connection, "epoch");
  if (!epoch || *epoch != expected) return epoch;
  epoch = write_new_epoch(connection);
  if (!epoch) return epoch;
  if (auto committed = transaction->commit(); !committed) return committed.error();
  return epoch;
}

Result<void> leave_sqlite(SqliteConnection& connection, const SqliteOrigin& origin) {
  auto leave = connection.prepare("delete from ringcast_daemon where id = ?1");
  if (!leave) return leave.error();
  return leave->bind(1, origin.daemon).run();
}

}  // namespace ringcast
