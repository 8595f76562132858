#include "pg/window_sql.hpp"

#include <fmt/format.h>

namespace ringcast::pg {

namespace {

// What read_row() expects, in this order; the payload comes last, in one of two forms.
constexpr std::string_view kFields =
    "id, event_id, kind, version, tenant_id, aggregate_type, aggregate_id, event_type, room, "
    "exclude_user, conflation_key, occurred_at, redrive_of, created_at";

std::string for_each_leaf(std::span<const std::string> leaves, std::string_view select_with_leaf) {
  std::string out;
  for (const std::string& leaf : leaves) {
    if (!out.empty()) out += "\n  union all ";
    out += fmt::format(fmt::runtime(select_with_leaf), leaf);
  }
  return out;
}

// What became visible after snapshot `from`: finished since, or begun since. Two index ranges.
std::string new_rows(std::span<const std::string> leaves, std::string_view columns,
                     std::string_view from) {
  return for_each_leaf(
      leaves, fmt::format("select {0} from {{0}} where xid >= pg_snapshot_xmax({1}::pg_snapshot)"
                          "\n  union all select {0} from {{0}}"
                          " where xid = any(array(select pg_snapshot_xip({1}::pg_snapshot)))",
                          columns, from));
}

// The statement saw the leaves that it names, all of them and no others.
constexpr std::string_view kLeavesAreRight =
    "clock_timestamp() < $8::timestamptz and (select sum(inhrelid::bigint) from pg_inherits"
    " where inhparent = 'ringcast.outbox'::regclass) = $9::bigint";

constexpr std::string_view kInsert =
    "insert into ringcast.reader_window"
    " (source, no, epoch, snap_from, snap_to, id_from, id_to, n, bytes, more)";

std::string record_new_sql(std::span<const std::string> leaves) {
  return fmt::format(
      R"sql(with cur as materialized (select pg_current_snapshot() s),
r as materialized ({0} limit $5::bigint + 1),
q as materialized (select count(*) n, coalesce(sum(octet_length(payload)), 0) bytes from r),
g as materialized (select {1} as right_leaves),
w as ({2}
  select $1, $2::bigint, $3, $4::pg_snapshot, (select s from cur), (select min(id) from r),
         (select max(id) from r), q.n, q.bytes, false
  from q, g
  where q.n between 1 and $5::bigint and q.bytes <= $6::bigint and g.right_leaves
  on conflict do nothing returning no)
select (select no from w), (select s::text from cur), q.n, q.bytes,
       (select right_leaves from g), {3}
from q left join r on exists (select from w) order by id)sql",
      new_rows(leaves, fmt::format("{}, payload", kFields), "$4"), kLeavesAreRight, kInsert,
      row_columns("$7"));
}

// Each leaf is cut to what the window can hold, in the order of its index on id: a sort of all that
// is left would make the drain of a backlog quadratic.
std::string record_backlog_sql(std::span<const std::string> leaves) {
  const std::string between =
      for_each_leaf(leaves,
                    "(select id, octet_length(payload) as size from {0} where id > $6::bigint"
                    " and pg_visible_in_snapshot(xid, $5::pg_snapshot)"
                    " and not pg_visible_in_snapshot(xid, $4::pg_snapshot)"
                    " order by id limit $7::bigint + 1)");
  return fmt::format(
      R"sql(with d as materialized (
  select id, size from ({0}) x order by id limit $7::bigint + 1),
p as (select id, size from d order by id limit $7::bigint)
{1}
select $1, $2::bigint, $3, $4::pg_snapshot, $5::pg_snapshot, min(id), max(id), count(*),
       coalesce(sum(size), 0), (select count(*) from d) > $7::bigint
from p having {2}
on conflict do nothing returning no, coalesce(id_from, 0), coalesce(id_to, 0), n, bytes, more)sql",
      between, kInsert, kLeavesAreRight);
}

std::string recorded_rows_sql(std::span<const std::string> leaves, std::string_view columns) {
  return fmt::format("select * from ({}) x order by id",
                     for_each_leaf(leaves, fmt::format("select {} from {{0}}"
                                                       " where id between $1::bigint and $2::bigint"
                                                       " and pg_visible_in_snapshot(xid, "
                                                       "$4::pg_snapshot) and not "
                                                       "pg_visible_in_snapshot(xid, "
                                                       "$3::pg_snapshot)",
                                                       columns)));
}

}  // namespace

std::string row_columns(std::string_view limit) {
  return fmt::format(
      "{}, octet_length(payload), case when octet_length(payload) <= {}::bigint then payload end",
      kFields, limit);
}

WindowSql window_sql(std::span<const std::string> leaves, std::uint64_t generation) {
  const auto named = [&](std::string_view name, std::string sql) {
    return Statement{fmt::format("{}_{}", name, generation), std::move(sql)};
  };
  WindowSql out;
  out.record_new = named("record_new", record_new_sql(leaves));
  // id + 0: min(id) alone would walk the index on id past every row ever written.
  out.backlog_start = named("backlog_start", fmt::format("select min(id) - 1 from ({}) x",
                                                         new_rows(leaves, "id + 0 as id", "$1")));
  out.record_backlog = named("record_backlog", record_backlog_sql(leaves));
  out.index = named("index", recorded_rows_sql(leaves, "id, octet_length(payload)"));
  out.rows = named("rows", recorded_rows_sql(leaves, row_columns("$5")));
  out.unread = named(
      "unread", fmt::format("select count(*), extract(epoch from clock_timestamp() - "
                            "min(created_at))::float8 from ({}) x where not "
                            "(pg_visible_in_snapshot(xid, $2::pg_snapshot) and id <= $3::bigint)",
                            new_rows(leaves, "id, xid, created_at", "$1")));
  return out;
}

OutboxRow read_row(const Rows& rows, std::size_t row, int column) {
  const auto text = [&](int at) { return rows.text(row, column + at); };
  OutboxRow out;
  out.id = rows.number(row, column);
  out.event_id = rows.uuid(row, column + 1);
  out.kind = rows.number(row, column + 2) == 1 ? OutboxRow::Kind::plain : OutboxRow::Kind::envelope;
  out.version = rows.number(row, column + 3);
  out.tenant_id = text(4);
  out.aggregate_type = text(5);
  out.aggregate_id = text(6);
  out.event_type = text(7);
  if (!rows.null(row, column + 8)) out.room = text(8);
  out.exclude_user = text(9);
  out.conflation_key = text(10);
  out.occurred_at = rows.time(row, column + 11);
  out.redrive_of = rows.number(row, column + 12);
  out.written = rows.time(row, column + 13).value_or(WallTime{});
  out.payload_bytes = static_cast<std::uint64_t>(rows.number(row, column + 14));
  out.payload = text(15);
  return out;
}

}  // namespace ringcast::pg
