#include "pg/status_schema.hpp"

namespace ringcast::pg {

namespace {

constexpr std::string_view kStatusMode = R"sql(
-- How the rows of this database are read; all its daemons agree. ringcast.set_outbox_mode()
-- changes it.
alter table ringcast.meta add column mode text not null default 'window'
  check (mode in ('window', 'status'));
-- Of the daemon that recorded the window. In status mode a constraint refuses any other.
alter table ringcast.reader_window add column mode text not null default 'window';

alter table ringcast.outbox
  add column position bigint,                -- 0: not claimed yet; else the offset of the row
  add column status text,                    -- pending, published, failed; null: window mode
  add column reason text,
  add column error text,
  add column attempts int;

-- Who claims rows of a hash partition of the aggregates: within it order is by id, so one at a
-- time may. By the database's clock; whoever finds a lease over takes it.
create table ringcast.claim_lease (
  part int primary key,
  node text not null default '',
  lease_until timestamptz not null default '-infinity'
) with (fillfactor = 10);
insert into ringcast.claim_lease (part) select generate_series(0, 15);

-- Of a plain publish, which has no aggregate, the room's.
create function ringcast.claim_part(
  tenant_id text, aggregate_type text, aggregate_id text, room text) returns int
language sql immutable parallel safe as $$
  select (hashtextextended(coalesce(tenant_id || chr(31) || aggregate_type || chr(31)
                                    || aggregate_id, room, ''), 7461) & 15)::int $$;

-- Claims the next rows: gives them their positions and records the window that holds them. All in
-- one call, so that a daemon that stands still holds no lock. window_no is null where nothing was
-- claimed; `newest` is the window recorded last, by whomever. `left_over`: call again.
create function ringcast.claim_window(
  claimer text, known_epoch text, rows_max int, bytes_max bigint, payload_bytes_max bigint,
  out window_no bigint, out window_epoch text, out snap_from text, out snap_to text,
  out id_from bigint, out id_to bigint, out row_count int, out payload_bytes bigint,
  out more boolean, out newest bigint, out seen_below bigint, out left_over boolean,
  out refused boolean)
language plpgsql set search_path = pg_catalog, pg_temp
set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  parts int[];
  ids bigint[];
  times timestamptz[];
begin
  left_over := false;
  refused := false;
  seen_below := pg_snapshot_xmin(pg_current_snapshot())::text::bigint;
  if exists (select from ringcast.outbox o where o.position = 0) then
    -- Whose claim holds a row of the lease is busy with that partition: the next call's turn.
    select array_agg(l.part) into parts from (
      select c.part from ringcast.claim_lease c
      where c.node = claimer or c.lease_until < clock_timestamp() for update skip locked) l;
  end if;
  if parts is not null then
    -- What somebody else holds locked holds up the later rows of its partition, nobody else's.
    with seen as materialized (
      select o.id, ringcast.claim_part(o.tenant_id, o.aggregate_type, o.aggregate_id, o.room) part
      from ringcast.outbox o
      where o.position = 0 and ringcast.claim_part(o.tenant_id, o.aggregate_type, o.aggregate_id,
                                                   o.room) = any(parts)
      order by o.id limit rows_max + 1),
    mine as materialized (
      select o.id, o.created_at, octet_length(o.payload) as size,
             ringcast.claim_part(o.tenant_id, o.aggregate_type, o.aggregate_id, o.room) part
      from ringcast.outbox o
      where o.position = 0 and ringcast.claim_part(o.tenant_id, o.aggregate_type, o.aggregate_id,
                                                   o.room) = any(parts)
      order by o.id limit rows_max + 1 for update skip locked),
    held as (
      select part, min(id) as id from seen where id not in (select id from mine) group by part),
    good as (
      select m.id, m.created_at, m.size, row_number() over w as rank,
             sum(case when m.size <= payload_bytes_max then m.size else 0 end) over w as total
      from mine m left join held h on h.part = m.part
      where m.id <= (select max(id) from seen) and (h.id is null or m.id < h.id)
      window w as (order by m.id)),
    taken as (
      select * from good where rank <= rows_max and (rank = 1 or total <= bytes_max))
    select array_agg(t.id order by t.id), array_agg(t.created_at order by t.id), min(t.id),
           max(t.id), count(*), coalesce(sum(t.size), 0), (select count(*) from good) > count(*)
      into ids, times, id_from, id_to, row_count, payload_bytes, left_over
    from taken t;
  end if;
  if ids is not null then
    -- The row whose lock makes the order of the positions that of the commits.
    perform from ringcast.progress p where p.source = 'outbox' for update;
    select m.epoch <> known_epoch or m.mode <> 'status' into refused from ringcast.meta m;
  end if;
  select coalesce(max(w.no), 0) into newest from ringcast.reader_window w
  where w.source = 'outbox';
  if ids is null or refused then return; end if;

  window_no := newest + 1;
  newest := window_no;
  window_epoch := known_epoch;
  more := false;
  snap_from := pg_current_snapshot()::text;
  snap_to := snap_from;
  insert into ringcast.reader_window
    (source, no, epoch, snap_from, snap_to, id_from, id_to, n, bytes, more, mode)
  values ('outbox', window_no, known_epoch, snap_from::pg_snapshot, snap_to::pg_snapshot, id_from,
          id_to, row_count, payload_bytes, false, 'status');
  update ringcast.outbox o set position = window_no * 8192 + x.rank
  from unnest(ids, times) with ordinality as x(id, created_at, rank)
  where o.created_at = x.created_at and o.id = x.id;
  update ringcast.claim_lease c set node = claimer,
         lease_until = clock_timestamp() + interval '2 seconds'
  where c.part = any(parts)
    and (c.node <> claimer or c.lease_until < clock_timestamp() + interval '1 second');
  if exists (select from ringcast.reader r where r.armed and r.node <> claimer
                                            and r.lease_until > clock_timestamp()) then
    perform pg_notify('ringcast_outbox', '');
  end if;
end $$;

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
    when o.status is not null then o.status
    when pg_visible_in_snapshot(o.xid, w.snap_from) then 'published'
    when pg_visible_in_snapshot(o.xid, w.snap_to) and (not w.more or o.id <= w.id_to)
      then 'published'
    else 'pending' end as status) s;

-- The end of the log, and a new epoch: what was recorded before and not delivered comes again.
create function ringcast.begin_epoch(base pg_snapshot, log_mode text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  next_no bigint;
begin
  update ringcast.meta set epoch = replace(gen_random_uuid()::text, '-', '');
  select coalesce(max(no), 0) + 1 into next_no from ringcast.reader_window where source = 'outbox';
  insert into ringcast.reader_window
    (source, no, epoch, snap_from, snap_to, id_from, id_to, n, bytes, more, mode)
  select 'outbox', next_no, epoch, '1:1:', base, null, null, 0, 0, false, log_mode
  from ringcast.meta;
  update ringcast.progress set delivered = next_no * 8192 where source = 'outbox';
end $$;

-- Run by the schema's owner, with all daemons stopped; by the first daemon itself where nothing
-- was ever recorded. Rows that were delivered keep the status that they have.
create function ringcast.set_outbox_mode(new_mode text) returns void language plpgsql
set search_path = pg_catalog, pg_temp as $$
declare
  base pg_snapshot := pg_current_snapshot();
  last ringcast.reader_window;
begin
  -- The rows left to read get this transaction's number, so `base` must not know it yet.
  if pg_current_xact_id_if_assigned() is not null then
    raise exception 'ringcast.set_outbox_mode() needs a transaction of its own';
  end if;
  if new_mode is null or new_mode not in ('window', 'status') then
    raise exception 'a mode is window or status';
  end if;
  lock table ringcast.outbox, ringcast.reader_window in access exclusive mode;
  if (select mode from ringcast.meta) = new_mode then return; end if;
  update ringcast.meta set mode = new_mode;
  if new_mode = 'status' then
    select w.* into last from ringcast.reader_window w join ringcast.progress p using (source)
    where w.source = 'outbox' and w.no * 8192 + w.n <= p.delivered order by w.no desc limit 1;
    update ringcast.outbox o set position = 0, status = 'pending', attempts = 0
    where o.status is null and (last.no is null
      or not (pg_visible_in_snapshot(o.xid, last.snap_from)
              or pg_visible_in_snapshot(o.xid, last.snap_to)
                 and (not last.more or o.id <= last.id_to)));
    alter table ringcast.outbox alter column position set default 0,
      alter column status set default 'pending', alter column attempts set default 0;
    create index outbox_unclaimed on ringcast.outbox (id) where position = 0;
    create index outbox_position on ringcast.outbox (position) where position > 0;
  else
    update ringcast.outbox o
    set xid = pg_current_xact_id(), position = null, status = null, attempts = null
    where o.status = 'pending';
    alter table ringcast.outbox alter column position drop default,
      alter column status drop default, alter column attempts drop default;
    drop index ringcast.outbox_unclaimed, ringcast.outbox_position;
    alter table ringcast.reader_window drop constraint reader_window_mode;
  end if;
  if exists (select from ringcast.reader_window) then
    perform ringcast.begin_epoch(base, new_mode);
  end if;
  if new_mode = 'status' then
    alter table ringcast.reader_window add constraint reader_window_mode
      check (mode = 'status') not valid;
  end if;
end $$;

create or replace function ringcast.rebase() returns void language plpgsql
set search_path = pg_catalog, pg_temp as $$
declare
  base pg_snapshot := pg_current_snapshot();
  last ringcast.reader_window;
begin
  if pg_current_xact_id_if_assigned() is not null then
    raise exception 'ringcast.rebase() needs a transaction of its own';
  end if;
  lock table ringcast.outbox, ringcast.reader_window in exclusive mode;
  if (select mode from ringcast.meta) = 'status' then
    update ringcast.outbox o set position = 0 where o.position > 0 and o.status = 'pending';
    perform ringcast.begin_epoch(base, 'status');
    return;
  end if;
  select w.* into last from ringcast.reader_window w join ringcast.progress p using (source)
  where w.source = 'outbox' and w.no * 8192 + w.n <= p.delivered order by w.no desc limit 1;
  update ringcast.outbox set xid = case
    when last.no is not null and (pg_visible_in_snapshot(xid, last.snap_from)
         or pg_visible_in_snapshot(xid, last.snap_to) and (not last.more or id <= last.id_to))
    then '3'::xid8 else pg_current_xact_id() end;
  perform ringcast.begin_epoch(base, 'window');
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
  execute format('grant execute on function ringcast.make_leaf(date) to %I', role_name);
  for leaf in select inhrelid::regclass from pg_inherits
              where inhparent = 'ringcast.outbox'::regclass
  loop
    execute format('grant select on %s to %I', leaf, role_name);
  end loop;
end $$;

revoke all on function ringcast.set_outbox_mode(text),
  ringcast.begin_epoch(pg_snapshot, text) from public;

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
    execute format('grant select, update on ringcast.claim_lease to %s', daemon.name);
    execute format('grant update (position, status, reason, error, attempts) on ringcast.outbox '
                   'to %s', daemon.name);
  end loop;
end $$;
)sql";

}  // namespace

std::string_view status_schema_sql() { return kStatusMode; }

}  // namespace ringcast::pg
