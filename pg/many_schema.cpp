#include "pg/many_schema.hpp"

namespace ringcast::pg {

namespace {

constexpr std::string_view kMany = R"sql(
-- The first thing that is wrong with an event of create_outbox_events(), as '.field: what'; or
-- null. The rules of the table's constraints, and those of the engine that need no configuration.
create function ringcast.event_mistake(event jsonb) returns text language plpgsql stable
set search_path = pg_catalog, pg_temp as $$
declare
  field text;
  value text;
  of_type text := event ->> 'event_type';
begin
  if jsonb_typeof(event) <> 'object' then return ': is not an object'; end if;
  for field in select jsonb_object_keys(event) loop
    if field <> all (array['tenant_id', 'aggregate_type', 'aggregate_id', 'event_type', 'payload',
                           'room', 'occurred_at', 'event_id', 'exclude_user', 'conflation_key',
                           'headers', 'lock_aggregate']) then
      return format('.%s: is not a field of an event', left(field, 64));
    end if;
  end loop;
  foreach field in array array['tenant_id', 'aggregate_type', 'aggregate_id', 'event_type',
                               'payload'] loop
    if event ->> field is null then return format('.%s: is missing', field); end if;
  end loop;
  foreach field in array array['tenant_id', 'aggregate_type', 'aggregate_id', 'event_type', 'room',
                               'occurred_at', 'event_id', 'exclude_user', 'conflation_key'] loop
    if jsonb_typeof(event -> field) not in ('string', 'null') then
      return format('.%s: is not a string', field);
    end if;
  end loop;
  if event ->> 'tenant_id' !~ '^[A-Za-z0-9_.~-]{1,120}$' then
    return '.tenant_id: is not 1 to 120 of A-Z a-z 0-9 _ . ~ -';
  end if;
  if event ->> 'exclude_user' !~ '^[A-Za-z0-9_.~-]{0,120}$' then
    return '.exclude_user: is not 1 to 120 of A-Z a-z 0-9 _ . ~ -';
  end if;
  foreach field in array array['aggregate_type', 'aggregate_id', 'room'] loop
    if octet_length(event ->> field) not between 1 and 255 then
      return format('.%s: has not 1 to 255 octets', field);
    end if;
  end loop;
  if octet_length(event ->> 'conflation_key') > 255 then
    return '.conflation_key: has more than 255 octets';
  end if;
  if octet_length(of_type) not between 1 and 128 or of_type ~ '[\x01-\x1f\x7f]' then
    return '.event_type: has not 1 to 128 octets without control characters';
  end if;
  if of_type ~ '^(presence|ringcast):' or of_type in ('connected', 'subscribed', 'unsubscribed',
      'published', 'error', 'ping', 'pong', 'gap', 'position', 'ack', 'call', 'auth') then
    return '.event_type: is one of the engine''s own';
  end if;
  if event ->> 'room' is null and split_part(of_type, '.', 1) !~ '^[A-Za-z0-9_.~-]{1,120}$' then
    return '.event_type: what stands before the first dot is not 1 to 120 of A-Z a-z 0-9 _ ~ -, '
           'and there is no room';
  end if;
  if jsonb_typeof(event -> 'payload') <> 'object' then return '.payload: is not an object'; end if;
  if jsonb_typeof(event -> 'headers') not in ('object', 'null') then
    return '.headers: is not an object';
  end if;
  if jsonb_typeof(event -> 'lock_aggregate') not in ('boolean', 'null') then
    return '.lock_aggregate: is not true or false';
  end if;
  if event ->> 'event_id'
      !~* '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$' then
    return '.event_id: is not a UUID in its 8-4-4-4-12 form';
  end if;
  value := event ->> 'occurred_at';
  if value is not null then
    begin
      if value::timestamptz >= '0001-01-01 00:00:00+00'
         and value::timestamptz < '10000-01-01 00:00:00+00' then return null; end if;
    exception when data_exception then null;
    end;
    return '.occurred_at: is not a time in the years 1 to 9999';
  end if;
  return null;
end $$;

-- Many events in the caller's transaction: all of them, in this order, or none. Each is an object
-- whose members are named as the parameters of create_outbox_event(). Returns their ids. A mistake
-- is named as events[2].room: ..., counted from 0.
create function ringcast.create_outbox_events(events jsonb) returns uuid[]
language plpgsql volatile as $$
declare
  event jsonb;
  place bigint;
  mistake text;
  ids uuid[];
begin
  if events is null or jsonb_typeof(events) <> 'array' then
    raise exception 'events: is not an array of objects' using errcode = '22023';
  end if;
  for event, place in
    select e, n - 1 from jsonb_array_elements(events) with ordinality as x(e, n) order by n
  loop
    mistake := ringcast.event_mistake(event);
    if mistake is not null then
      raise exception 'events[%]%', place, mistake using errcode = '22023';
    end if;
  end loop;
  for event in
    select e from jsonb_array_elements(events) with ordinality as x(e, n)
    where e -> 'lock_aggregate' = 'true' order by n
  loop
    perform pg_advisory_xact_lock(hashtextextended(concat_ws(chr(31), event ->> 'tenant_id',
      event ->> 'aggregate_type', event ->> 'aggregate_id'), 7461));
  end loop;
  with given as materialized (
    select e, n, coalesce((e ->> 'event_id')::uuid, gen_random_uuid()) as id
    from jsonb_array_elements(events) with ordinality as x(e, n)),
  made as (
    insert into ringcast.outbox (event_id, tenant_id, aggregate_type, aggregate_id, event_type,
                                 room, exclude_user, conflation_key, occurred_at, headers, payload)
    select id, e ->> 'tenant_id', e ->> 'aggregate_type', e ->> 'aggregate_id', e ->> 'event_type',
           e ->> 'room', e ->> 'exclude_user', e ->> 'conflation_key',
           coalesce((e ->> 'occurred_at')::timestamptz, clock_timestamp()),
           nullif(e -> 'headers', 'null'), convert_to((e -> 'payload')::text, 'UTF8')
    from given order by n)
  select coalesce(array_agg(id order by n), '{}') into ids from given;
  return ids;
end $$;
)sql";

}  // namespace

std::string_view many_schema_sql() { return kMany; }

}  // namespace ringcast::pg
