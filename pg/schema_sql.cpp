#include "pg/schema_sql.hpp"

#include <array>

#include "pg/hold_schema.hpp"
#include "pg/many_schema.hpp"
#include "pg/status_schema.hpp"
#include "pg/wake_schema.hpp"

namespace ringcast::pg {

namespace {

constexpr std::string_view kTables = R"sql(
do $$ begin
  if to_regnamespace('ringcast') is null then create schema ringcast; end if;
end $$;

create table ringcast.schema_migration (
  version int primary key,
  name text not null,
  checksum bytea not null,
  applied_at timestamptz not null default clock_timestamp()
);

-- One row. The epoch begins anew when this database turns out to be another one than it was:
-- restored, failed over, copied.
create table ringcast.meta (
  only_row boolean primary key default true check (only_row),
  epoch text not null,
  system_identifier bigint not null,
  timeline int not null,
  database_oid bigint not null
);

-- cache 1: with a larger cache sessions hand out ids of earlier blocks later, and id order would
-- no longer follow the order of locks.
create sequence ringcast.outbox_id as bigint cache 1;

-- What applications insert in their own transactions. id, xid and created_at are the table's own:
-- ringcast.grant_writer() gives no right to set them. A wrong xid or created_at would hide the row
-- from the reader.
create table ringcast.outbox (
  id bigint not null default nextval('ringcast.outbox_id'),
  xid xid8 not null default pg_current_xact_id(),
  event_id uuid not null default gen_random_uuid(),
  kind smallint not null default 0,          -- 0 envelope, 1 plain publish
  version smallint not null default 1,
  tenant_id text,
  aggregate_type text,
  aggregate_id text,
  event_type text not null,
  room text,                                 -- null: tenant and module room; set: that room only
  exclude_user text,
  conflation_key text,
  redrive_of bigint,
  occurred_at timestamptz not null default clock_timestamp(),
  created_at timestamptz not null default clock_timestamp(),
  headers jsonb,
  payload bytea not null,                    -- JSON in UTF-8
  constraint outbox_kind check (kind in (0, 1)),
  constraint outbox_event_type check (
    octet_length(event_type) between 1 and 128
    and (kind = 1 or room is not null
         or split_part(event_type, '.', 1) ~ '^[A-Za-z0-9_.~-]{1,120}$')),
  constraint outbox_tenant_id check (
    kind = 1 or tenant_id is not null and tenant_id ~ '^[A-Za-z0-9_.~-]{1,120}$'),
  constraint outbox_aggregate_type check (
    (kind = 1 or coalesce(aggregate_type, '') <> '')
    and octet_length(aggregate_type) <= 1024),
  constraint outbox_aggregate_id check (
    (kind = 1 or coalesce(aggregate_id, '') <> '')
    and octet_length(aggregate_id) <= 1024),
  constraint outbox_room check (
    (kind = 0 or room is not null) and octet_length(room) between 1 and 255),
  constraint outbox_exclude_user check (octet_length(exclude_user) <= 1024),
  constraint outbox_conflation_key check (octet_length(conflation_key) <= 1024)
) partition by range (created_at);

-- For the read of what is new. Each leaf has its own unique index on (id) for all other reads.
create index outbox_xid_id on ringcast.outbox (xid, id);

-- Takes the rows of days that have no leaf: a reader that is not running may never make an
-- application's commit fail.
create table ringcast.outbox_default partition of ringcast.outbox default;
create unique index outbox_default_id on ringcast.outbox_default (id);

-- What was read, recorded before it is delivered: position log and fence in one. Insert only.
create table ringcast.reader_window (
  source text not null,
  no bigint not null,
  epoch text not null,
  snap_from pg_snapshot not null,
  snap_to pg_snapshot not null,
  id_from bigint,
  id_to bigint,
  n int not null,
  bytes bigint not null,                     -- of payload
  more boolean not null,
  at timestamptz not null default clock_timestamp(),
  primary key (source, no)
);
create index reader_window_at on ringcast.reader_window (at);

-- One row for each running daemon. `armed`: it sleeps, writers are to notify.
create table ringcast.reader (
  source text not null,
  node text not null,
  epoch text,
  lease_until timestamptz not null,
  delivered_no bigint,
  system_identifier bigint,
  timeline int,
  armed boolean not null default false,
  configuration_digest text,
  primary key (source, node)
) with (fillfactor = 10);

-- Keys by which a repeated publish gets the first answer back. user_id '': the server API.
create table ringcast.publish_key (
  room text not null,
  user_id text not null default '',
  key text not null,
  digest bytea not null,
  event_id uuid not null,
  at timestamptz not null default clock_timestamp(),
  primary key (room, user_id, key)
);
create index publish_key_at on ringcast.publish_key (at);

create table ringcast.failed (
  source text not null,
  id bigint not null,
  event_id uuid,
  envelope bytea,
  state smallint not null,                   -- 1 retry 2 dead 3 redriven 4 discarded
  reason text not null,
  error text,
  attempts int not null default 0,
  next_attempt_at timestamptz,
  first_at timestamptz not null default clock_timestamp(),
  last_at timestamptz not null default clock_timestamp(),
  primary key (source, id)
);

-- A row's status in the application's words.
create view ringcast.outbox_status as
select o.id, o.event_id, o.tenant_id, o.aggregate_type, o.aggregate_id, o.event_type, o.room,
       o.created_at, s.status, f.reason, f.error, coalesce(f.attempts, 0) as attempts,
       case when s.status = 'pending'
            then extract(epoch from clock_timestamp() - o.created_at)::float8
       end as pending_seconds
from ringcast.outbox o
left join ringcast.failed f on f.source = 'outbox' and f.id = o.id
left join (select * from ringcast.reader_window
           where source = 'outbox' order by no desc limit 1) w on true
cross join lateral (select case
    when f.state = 2 then 'failed'
    when pg_visible_in_snapshot(o.xid, w.snap_from) then 'published'
    when pg_visible_in_snapshot(o.xid, w.snap_to) and (not w.more or o.id <= w.id_to)
      then 'published'
    else 'pending' end as status) s;
)sql";

constexpr std::string_view kFunctions = R"sql(
-- A NOTIFY takes a lock at commit that all notifying commits share, so writers send one only while
-- a reader sleeps.
create function ringcast.outbox_wake() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if exists (select from ringcast.reader where armed and lease_until > clock_timestamp()) then
    perform pg_notify('ringcast_outbox', '');
  end if;
  return null;
end $$;
create trigger outbox_wake after insert on ringcast.outbox
  for each statement execute function ringcast.outbox_wake();

-- Makes the leaf of one day. As a table that is then attached: CREATE TABLE .. PARTITION OF would
-- make every insert wait behind the longest open one. false: it is there, or another makes it.
create function ringcast.make_leaf(day date) returns boolean
language plpgsql security definer
set search_path = pg_catalog, pg_temp set lock_timeout = '200ms' set timezone = 'UTC' as $$
declare
  leaf text := 'outbox_' || to_char(day, 'YYYYMMDD');
  today date := clock_timestamp()::date;
  reader record;
begin
  if day is null or day < today or day > today + 60 then
    raise exception 'a leaf is made for today and the 60 days that follow';
  end if;
  if not pg_try_advisory_xact_lock(7461203558041152) then return false; end if;
  if to_regclass('ringcast.' || leaf) is not null then return false; end if;
  execute format('create table ringcast.%I (like ringcast.outbox including defaults including '
                 'constraints, constraint leaf_day check (created_at >= %L and created_at < %L))',
                 leaf, day::timestamptz, (day + 1)::timestamptz);
  execute format('create unique index on ringcast.%I (id)', leaf);
  execute format('create index on ringcast.%I (xid, id)', leaf);
  -- The daemon reads leaves by name: who may read the parent may read the leaf.
  for reader in select distinct a.grantee::regrole as name
                from pg_class c cross join lateral aclexplode(c.relacl) a
                where c.oid = 'ringcast.outbox'::regclass and a.privilege_type = 'SELECT'
                  and a.grantee <> 0
  loop
    execute format('grant select on ringcast.%I to %s', leaf, reader.name);
  end loop;
  execute format('alter table ringcast.outbox attach partition ringcast.%I '
                 'for values from (%L) to (%L)', leaf, day::timestamptz, (day + 1)::timestamptz);
  execute format('alter table ringcast.%I drop constraint leaf_day', leaf);
  return true;
end $$;
revoke all on function ringcast.make_leaf(date) from public;

-- What an application calls in its own transaction, next to its own changes. Where the order within
-- an aggregate matters the caller has locked the aggregate, or passes lock_aggregate => true.
create function ringcast.create_outbox_event(
  tenant_id text, aggregate_type text, aggregate_id text, event_type text, payload jsonb,
  room text default null, occurred_at timestamptz default null, event_id uuid default null,
  exclude_user text default null, conflation_key text default null, headers jsonb default null,
  lock_aggregate boolean default false) returns uuid
language plpgsql volatile as $$
declare
  new_id uuid := coalesce(event_id, gen_random_uuid());
begin
  if lock_aggregate then
    perform pg_advisory_xact_lock(hashtextextended(
      concat_ws(chr(31), tenant_id, aggregate_type, aggregate_id), 7461));
  end if;
  insert into ringcast.outbox (event_id, tenant_id, aggregate_type, aggregate_id, event_type, room,
                               exclude_user, conflation_key, occurred_at, headers, payload)
  values (new_id, tenant_id, aggregate_type, aggregate_id, event_type, room,
          exclude_user, conflation_key, coalesce(occurred_at, clock_timestamp()), headers,
          convert_to(payload::text, 'UTF8'));
  return new_id;
end $$;

-- The rights of an application's role.
create function ringcast.grant_writer(role_name name) returns void language plpgsql
set search_path = pg_catalog, pg_temp as $$
begin
  execute format('grant usage on schema ringcast to %I', role_name);
  execute format('grant usage on sequence ringcast.outbox_id to %I', role_name);
  execute format('grant insert (event_id, kind, version, tenant_id, aggregate_type, aggregate_id, '
    'event_type, room, exclude_user, conflation_key, redrive_of, occurred_at, headers, payload) '
    'on ringcast.outbox to %I', role_name);
  execute format('grant select on ringcast.outbox_status to %I', role_name);
end $$;

-- The rights of the daemon's role, for a daemon that does not own the schema.
create function ringcast.grant_daemon(role_name name) returns void language plpgsql
set search_path = pg_catalog, pg_temp as $$
declare
  leaf regclass;
begin
  perform ringcast.grant_writer(role_name);
  execute format('grant select on ringcast.schema_migration, ringcast.outbox to %I', role_name);
  execute format('grant select, update on ringcast.meta to %I', role_name);
  execute format('grant select, insert, delete on ringcast.reader_window to %I', role_name);
  execute format('grant select, insert, update, delete on ringcast.reader, ringcast.publish_key '
                 'to %I', role_name);
  execute format('grant select, insert, update on ringcast.failed to %I', role_name);
  execute format('grant execute on function ringcast.make_leaf(date) to %I', role_name);
  for leaf in select inhrelid::regclass from pg_inherits
              where inhparent = 'ringcast.outbox'::regclass
  loop
    execute format('grant select on %s to %I', leaf, role_name);
  end loop;
end $$;

-- For a database that was restored from a dump of another cluster, whose transaction numbers are
-- ahead of this one's: gives all rows numbers of this cluster, so that what was not read yet is
-- read, and begins a new epoch. Run it once, by the schema's owner, with all writers stopped.
create function ringcast.rebase() returns void language plpgsql
set search_path = pg_catalog, pg_temp as $$
declare
  base pg_snapshot := pg_current_snapshot();
  last ringcast.reader_window;
begin
  -- The rows left to read get this transaction's number, so `base` must not know it yet.
  if pg_current_xact_id_if_assigned() is not null then
    raise exception 'ringcast.rebase() needs a transaction of its own';
  end if;
  lock table ringcast.outbox, ringcast.reader_window in exclusive mode;
  select * into last from ringcast.reader_window
  where source = 'outbox' order by no desc limit 1;
  update ringcast.outbox set xid = case
    when last.no is not null and (pg_visible_in_snapshot(xid, last.snap_from)
         or pg_visible_in_snapshot(xid, last.snap_to) and (not last.more or id <= last.id_to))
    then '3'::xid8 else pg_current_xact_id() end;
  update ringcast.meta set epoch = replace(gen_random_uuid()::text, '-', '');
  insert into ringcast.reader_window
    (source, no, epoch, snap_from, snap_to, id_from, id_to, n, bytes, more)
  select 'outbox', coalesce(last.no, 0) + 1, epoch, '1:1:', base, null, null, 0, 0, false
  from ringcast.meta;
end $$;

revoke all on function ringcast.grant_writer(name), ringcast.grant_daemon(name),
  ringcast.rebase() from public;

insert into ringcast.meta (epoch, system_identifier, timeline, database_oid)
select replace(gen_random_uuid()::text, '-', ''),
       (select system_identifier from pg_control_system()),
       ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int,
       (select oid::bigint from pg_database where datname = current_database());

select ringcast.make_leaf((clock_timestamp() at time zone 'UTC')::date + i)
from generate_series(0, 14) i;
)sql";

// The limits of engine/message/envelope.hpp and names.hpp, so that a row that the engine would fail
// is refused while its writer can still mend it. NOT VALID: rows that are there already stay, and
// become failed rows as before. A leaf has each constraint for itself besides the inherited one.
constexpr std::string_view kRowLimits = R"sql(
do $$
declare
  leaf regclass;
  changed text;
begin
  foreach changed in array array['outbox_aggregate_type', 'outbox_aggregate_id',
                                 'outbox_exclude_user', 'outbox_conflation_key']
  loop
    execute format('alter table ringcast.outbox drop constraint %I', changed);
    for leaf in select inhrelid::regclass from pg_inherits
                where inhparent = 'ringcast.outbox'::regclass
    loop
      execute format('alter table %s drop constraint if exists %I', leaf, changed);
    end loop;
  end loop;
end $$;

alter table ringcast.outbox
  add constraint outbox_aggregate_type check (
    (kind = 1 or coalesce(aggregate_type, '') <> '')
    and octet_length(aggregate_type) <= 255) not valid,
  add constraint outbox_aggregate_id check (
    (kind = 1 or coalesce(aggregate_id, '') <> '')
    and octet_length(aggregate_id) <= 255) not valid,
  add constraint outbox_exclude_user check (
    exclude_user ~ '^[A-Za-z0-9_.~-]{0,120}$') not valid,
  add constraint outbox_conflation_key check (octet_length(conflation_key) <= 255) not valid;
)sql";

// How far rows were delivered. What failed is written down before, so that no row is `published`
// first and `failed` afterwards. What was recorded before this version counts as delivered.
constexpr std::string_view kProgress = R"sql(
create table ringcast.progress (
  source text primary key,
  delivered bigint not null                  -- an offset: window number * 8192 + rank
) with (fillfactor = 10);
insert into ringcast.progress (source, delivered)
select 'outbox', coalesce((select no * 8192 + n from ringcast.reader_window
                           where source = 'outbox' order by no desc limit 1), 0);

alter table ringcast.failed add column redriven_as bigint;
create index failed_dead on ringcast.failed (source, id) where state = 2;

create or replace view ringcast.outbox_status as
select o.id, o.event_id, o.tenant_id, o.aggregate_type, o.aggregate_id, o.event_type, o.room,
       o.created_at, s.status, f.reason, f.error, coalesce(f.attempts, 0) as attempts,
       case when s.status = 'pending'
            then extract(epoch from clock_timestamp() - o.created_at)::float8
       end as pending_seconds, o.redrive_of
from ringcast.outbox o
left join ringcast.failed f on f.source = 'outbox' and f.id = o.id
left join (select w.* from ringcast.progress p
           join ringcast.reader_window w on w.source = p.source
                and w.no <= p.delivered / 8192 and w.no * 8192 + w.n <= p.delivered
           where p.source = 'outbox' order by w.no desc limit 1) w on true
cross join lateral (select case
    when f.state >= 2 then 'failed'
    when pg_visible_in_snapshot(o.xid, w.snap_from) then 'published'
    when pg_visible_in_snapshot(o.xid, w.snap_to) and (not w.more or o.id <= w.id_to)
      then 'published'
    else 'pending' end as status) s;

-- Daemons that had their rights before.
do $$
declare
  daemon record;
begin
  for daemon in select distinct a.grantee::regrole as name
                from pg_class c cross join lateral aclexplode(c.relacl) a
                where c.oid = 'ringcast.failed'::regclass and a.privilege_type = 'UPDATE'
                  and a.grantee <> 0
  loop
    execute format('grant select, update on ringcast.progress to %s', daemon.name);
  end loop;
end $$;

create or replace function ringcast.grant_daemon(role_name name) returns void language plpgsql
set search_path = pg_catalog, pg_temp as $$
declare
  leaf regclass;
begin
  perform ringcast.grant_writer(role_name);
  execute format('grant select on ringcast.schema_migration, ringcast.outbox to %I', role_name);
  execute format('grant select, update on ringcast.meta, ringcast.progress to %I', role_name);
  execute format('grant select, insert, delete on ringcast.reader_window to %I', role_name);
  execute format('grant select, insert, update, delete on ringcast.reader, ringcast.publish_key '
                 'to %I', role_name);
  execute format('grant select, insert, update on ringcast.failed to %I', role_name);
  execute format('grant execute on function ringcast.make_leaf(date) to %I', role_name);
  for leaf in select inhrelid::regclass from pg_inherits
              where inhparent = 'ringcast.outbox'::regclass
  loop
    execute format('grant select on %s to %I', leaf, role_name);
  end loop;
end $$;

-- As before, but by what was delivered: rows that were recorded and not delivered are read again.
create or replace function ringcast.rebase() returns void language plpgsql
set search_path = pg_catalog, pg_temp as $$
declare
  base pg_snapshot := pg_current_snapshot();
  last ringcast.reader_window;
  next_no bigint;
begin
  -- The rows left to read get this transaction's number, so `base` must not know it yet.
  if pg_current_xact_id_if_assigned() is not null then
    raise exception 'ringcast.rebase() needs a transaction of its own';
  end if;
  lock table ringcast.outbox, ringcast.reader_window in exclusive mode;
  select w.* into last from ringcast.reader_window w join ringcast.progress p using (source)
  where w.source = 'outbox' and w.no * 8192 + w.n <= p.delivered order by w.no desc limit 1;
  update ringcast.outbox set xid = case
    when last.no is not null and (pg_visible_in_snapshot(xid, last.snap_from)
         or pg_visible_in_snapshot(xid, last.snap_to) and (not last.more or id <= last.id_to))
    then '3'::xid8 else pg_current_xact_id() end;
  update ringcast.meta set epoch = replace(gen_random_uuid()::text, '-', '');
  select coalesce(max(no), 0) + 1 into next_no from ringcast.reader_window where source = 'outbox';
  insert into ringcast.reader_window
    (source, no, epoch, snap_from, snap_to, id_from, id_to, n, bytes, more)
  select 'outbox', next_no, epoch, '1:1:', base, null, null, 0, 0, false from ringcast.meta;
  update ringcast.progress set delivered = next_no * 8192 where source = 'outbox';
end $$;
)sql";

// What Trial in engine/store/outbox_store.hpp says, of the position in the same row.
constexpr std::string_view kTrial = R"sql(
alter table ringcast.progress
  add column starts int not null default 0,
  add column begun int not null default 0;
)sql";

// Partitions leave by these functions, so that a daemon needs no right to change tables. A writer
// that comes while they wait for the outbox's lock waits behind them: 50 ms at most, because who
// holds it longer than that has a long transaction, and another try comes.
constexpr std::string_view kRetention = R"sql(
-- Why a partition has to stay; null: its rows were delivered and nobody has to decide on one.
-- Everybody waits meanwhile, so each question is put so that only an index answers it cheaply: a
-- plan that hopes for an early hit reads all rows when there is none.
create function ringcast.why_leaf_stays(leaf text) returns text
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  seen pg_snapshot;
  stays boolean;
begin
  select case when w.more then w.snap_from else w.snap_to end into seen
  from ringcast.reader_window w join ringcast.progress p using (source)
  where w.source = 'outbox' and w.no * 8192 + w.n <= p.delivered order by w.no desc limit 1;
  seen := coalesce(seen, '1:1:');
  execute format('select (select xid from ringcast.%1$I order by xid desc limit 1) '
                 '>= pg_snapshot_xmax($1) or exists (select from pg_snapshot_xip($1) as x where x = '
                 '(select xid from ringcast.%1$I where xid >= x order by xid limit 1))',
                 leaf) into stays using seen;
  -- In status mode a snapshot also sees rows that nobody has claimed yet.
  if stays is not true and (select mode from ringcast.meta) = 'status' then
    execute format('select (select id from ringcast.%1$I where position = 0 order by id limit 1) '
                   'is not null or (select position from ringcast.%1$I where position > 0 '
                   'order by position desc limit 1) > p.delivered '
                   'from ringcast.progress p where p.source = ''outbox''', leaf) into stays;
  end if;
  if stays then return 'rows of it were not delivered'; end if;
  execute format('select exists (select from ringcast.failed f where f.source = ''outbox'' and '
                 'f.state in (1, 2) and f.id >= (select min(id) from ringcast.%1$I) and '
                 'f.id <= (select max(id) from ringcast.%1$I) and '
                 'f.id = (select o.id from ringcast.%1$I o where o.id = f.id))', leaf) into stays;
  if stays then return 'dead letters of it wait for somebody'; end if;
  return null;
end $$;

-- Takes the partition of a day that is over out of the outbox. `keep`: as outbox_retired_YYYYMMDD,
-- for the archive. Gives why it stays; null: it is out.
create function ringcast.retire_leaf(day date, keep boolean) returns text
language plpgsql security definer
set search_path = pg_catalog, pg_temp set lock_timeout = '50ms' set timezone = 'UTC' as $$
declare
  leaf text := 'outbox_' || to_char(day, 'YYYYMMDD');
  retired text := 'outbox_retired_' || to_char(day, 'YYYYMMDD');
  stays text;
begin
  if day is null or keep is null or day >= clock_timestamp()::date then
    raise exception 'a partition is retired when its day is over';
  end if;
  if not pg_try_advisory_xact_lock(7461203558041152) then return 'another changes partitions'; end if;
  if not exists (select from pg_inherits where inhparent = 'ringcast.outbox'::regclass
                 and inhrelid = to_regclass('ringcast.' || leaf)) then
    return 'it is not there';
  end if;
  stays := ringcast.why_leaf_stays(leaf);
  if stays is not null then return stays; end if;
  begin
    lock table only ringcast.outbox in access exclusive mode;
    execute format('lock table ringcast.%I in access exclusive mode nowait', leaf);
    -- Under the locks, since a transaction that was open may have written into it until now.
    stays := ringcast.why_leaf_stays(leaf);
    if stays is not null then return stays; end if;
    execute format('alter table ringcast.outbox detach partition ringcast.%I', leaf);
    if keep then
      execute format('alter table ringcast.%I rename to %I', leaf, retired);
    else
      execute format('drop table ringcast.%I', leaf);
    end if;
  exception when lock_not_available then
    return 'transactions are open on the outbox';
  end;
  return null;
end $$;

-- Ends what was retired with `keep`, once it is archived.
create function ringcast.drop_retired_leaf(day date) returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp set lock_timeout = '200ms' as $$
begin
  execute format('drop table if exists ringcast.%I', 'outbox_retired_' || to_char(day, 'YYYYMMDD'));
end $$;

revoke all on function ringcast.why_leaf_stays(text), ringcast.retire_leaf(date, boolean),
  ringcast.drop_retired_leaf(date) from public;

-- Daemons that had their rights before.
do $$
declare
  daemon record;
begin
  for daemon in select distinct a.grantee::regrole as name
                from pg_class c cross join lateral aclexplode(c.relacl) a
                where c.oid = 'ringcast.failed'::regclass and a.privilege_type = 'UPDATE'
                  and a.grantee <> 0
  loop
    execute format('grant execute on function ringcast.retire_leaf(date, boolean), '
                   'ringcast.drop_retired_leaf(date) to %s', daemon.name);
  end loop;
end $$;

create or replace function ringcast.grant_daemon(role_name name) returns void language plpgsql
set search_path = pg_catalog, pg_temp as $$
declare
  leaf regclass;
begin
  perform ringcast.grant_writer(role_name);
  execute format('grant select on ringcast.schema_migration, ringcast.outbox to %I', role_name);
  execute format('grant select, update on ringcast.meta, ringcast.progress, ringcast.claim_lease '
                 'to %I', role_name);
  execute format('grant update (position, status, reason, error, attempts) on ringcast.outbox '
                 'to %I', role_name);
  execute format('grant select, insert, delete on ringcast.reader_window to %I', role_name);
  execute format('grant select, insert, update, delete on ringcast.reader, ringcast.publish_key '
                 'to %I', role_name);
  execute format('grant select, insert, update on ringcast.failed to %I', role_name);
  execute format('grant execute on function ringcast.make_leaf(date), '
                 'ringcast.retire_leaf(date, boolean), ringcast.drop_retired_leaf(date) to %I',
                 role_name);
  for leaf in select inhrelid::regclass from pg_inherits
              where inhparent = 'ringcast.outbox'::regclass
  loop
    execute format('grant select on %s to %I', leaf, role_name);
  end loop;
end $$;
)sql";

}  // namespace

std::span<const SchemaVersion> schema_versions() {
  static const std::array<SchemaVersion, 10> versions = {{
      {1, "outbox", kTables},
      {2, "functions", kFunctions},
      {3, "row_limits", kRowLimits},
      {4, "progress", kProgress},
      {5, "status_mode", status_schema_sql()},
      {6, "trial", kTrial},
      {7, "retention", kRetention},
      {8, "holds", hold_schema_sql()},
      {9, "many_events", many_schema_sql()},
      {10, "wake", wake_schema_sql()},
  }};
  return versions;
}

}  // namespace ringcast::pg
