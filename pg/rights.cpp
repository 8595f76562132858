#include "pg/rights.hpp"

#include <fmt/format.h>

namespace ringcast::pg {

namespace {

constexpr const char* kMissingSql = R"sql(
select string_agg(what, ', ') from (
  select p || ' on ' || t as what
  from (values ('ringcast.outbox', '{select}'::text[]),
               ('ringcast.meta', '{select,update}'),
               ('ringcast.progress', '{select,update}'),
               ('ringcast.claim_lease', '{select,update}'),
               ('ringcast.reader_window', '{select,insert,delete}'),
               ('ringcast.reader', '{select,insert,update,delete}'),
               ('ringcast.publish_key', '{select,insert,update,delete}'),
               ('ringcast.failed', '{select,insert,update}')) r(t, rights)
       cross join lateral unnest(rights) p
  where not has_table_privilege(to_regclass(t), p)
  union all
  select p || ' on some columns of ringcast.outbox' from unnest('{insert,update}'::text[]) p
  where not has_any_column_privilege('ringcast.outbox', p)
  union all
  select 'usage on ringcast.outbox_id'
  where not has_sequence_privilege('ringcast.outbox_id', 'usage')
  union all
  select 'execute on ' || f
  from unnest(array['ringcast.make_leaf(date)', 'ringcast.retire_leaf(date, boolean)',
                    'ringcast.drop_retired_leaf(date)']) f
  where not has_function_privilege(to_regprocedure(f), 'execute')) missing)sql";

}  // namespace

Result<void> check_rights(Connection& connection) {
  auto rows = connection.query(kMissingSql);
  if (!rows) return rows.error();
  if (rows->null(0, 0)) return {};
  return Error{Errc::forbidden, fmt::format("the role of store.url lacks {}", rows->text(0, 0))};
}

}  // namespace ringcast::pg
