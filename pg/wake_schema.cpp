#include "pg/wake_schema.hpp"

namespace ringcast::pg {

namespace {

// Every commit pays for this trigger, and with `set search_path` two thirds of it were the look-up
// of names. Without, a SECURITY DEFINER function is safe because it names the schema of whatever it
// uses, operators too.
constexpr std::string_view kWake = R"sql(
create or replace function ringcast.outbox_wake() returns trigger
language plpgsql security definer as $$
begin
  if exists (select from ringcast.reader
             where armed and lease_until operator(pg_catalog.>) pg_catalog.clock_timestamp()) then
    perform pg_catalog.pg_notify('ringcast_outbox', '');
  end if;
  return null;
end $$;
)sql";

}  // namespace

std::string_view wake_schema_sql() { return kWake; }

}  // namespace ringcast::pg
