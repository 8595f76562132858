#include "pg/hold_schema.hpp"

namespace ringcast::pg {

namespace {

constexpr std::string_view kHolds = R"sql(
-- engine/store/holds.hpp says what these mean. state 1: the row waits behind another.
alter table ringcast.failed
  add column position bigint,                -- the offset of the row
  add column hold_at bigint,                 -- its place among those that wait; null: in no hold
  add column released bigint;                -- the offset at which another took its place
create index failed_held on ringcast.failed (source, id) where state = 1;

-- Writes rows that wait once more, in this order. What another daemon writes at this moment is
-- waited for and left alone, so copies have the order of their rows whoever writes them.
create function ringcast.put_back(ids bigint[]) returns void language plpgsql
set search_path = pg_catalog, pg_temp as $$
declare
  held bigint;
  new_id bigint;
begin
  -- Two daemons come to the aggregates in different orders.
  perform pg_advisory_xact_lock(7461203558041159);
  foreach held in array ids loop
    perform from ringcast.failed f
    where f.source = 'outbox' and f.id = held and f.state = 1 for update;
    continue when not found;
    new_id := null;
    insert into ringcast.outbox (event_id, kind, version, tenant_id, aggregate_type, aggregate_id,
      event_type, room, exclude_user, conflation_key, occurred_at, headers, payload, redrive_of)
    select o.event_id, o.kind, o.version, o.tenant_id, o.aggregate_type, o.aggregate_id,
           o.event_type, o.room, o.exclude_user, o.conflation_key, o.occurred_at, o.headers,
           o.payload, o.id
    from ringcast.outbox o where o.id = held returning id into new_id;
    -- Who deleted the row has decided that it is not delivered; what waits behind it goes on.
    if new_id is null then perform ringcast.withdraw(held); end if;
    update ringcast.failed f
    set state = case when new_id is null then 4 else 3 end, redriven_as = new_id,
        last_at = clock_timestamp()
    where f.source = 'outbox' and f.id = held;
  end loop;
end $$;

-- Says to all daemons, at a position of its own, that this row will not be delivered.
create function ringcast.withdraw(held bigint) returns bigint language sql
set search_path = pg_catalog, pg_temp as $$
  insert into ringcast.outbox (kind, event_type, room, payload, redrive_of)
  values (1, 'ringcast:withdrawn', 'ringcast:withdrawn', '{}', held) returning id $$;

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
    when f.state >= 1 then 'failed'
    when o.status is not null then o.status
    when pg_visible_in_snapshot(o.xid, w.snap_from) then 'published'
    when pg_visible_in_snapshot(o.xid, w.snap_to) and (not w.more or o.id <= w.id_to)
      then 'published'
    else 'pending' end as status) s
where o.event_type <> 'ringcast:withdrawn' or o.redrive_of is null;
)sql";

}  // namespace

std::string_view hold_schema_sql() { return kHolds; }

}  // namespace ringcast::pg
