#include "pg/leaves.hpp"

#include <algorithm>

namespace ringcast::pg {

namespace {

// A leaf belongs to the set an hour before its day; reading stops without it ten minutes before, so
// that a server clock which is set back by less costs nothing. The same margin after its end.
constexpr const char* kLeavesSql = R"sql(
select c.oid::bigint, c.oid::regclass::text, coalesce(b.low > t.now + interval '1 hour', false),
       coalesce(b.high < t.now - interval '10 minutes', false),
       coalesce(min(b.low) filter (where b.low > t.now + interval '1 hour') over ()
                - interval '10 minutes', 'infinity')::text,
       (sum(c.oid::bigint) over ())::bigint::text
from pg_inherits i
join pg_class c on c.oid = i.inhrelid
cross join (select clock_timestamp() as now) t
left join lateral (
  select m[1]::timestamptz as low, m[2]::timestamptz as high
  from regexp_match(pg_get_expr(c.relpartbound, c.oid),
                    'FROM \(''([^'']+)''\) TO \(''([^'']+)''\)') m) b on true
where i.inhparent = 'ringcast.outbox'::regclass
order by c.oid)sql";

constexpr const char* kMissingSql = R"sql(
select d::text from (
  select (clock_timestamp() at time zone 'UTC')::date + i as d from generate_series(0, 14) i) days
where to_regclass('ringcast.outbox_' || to_char(d, 'YYYYMMDD')) is null order by d)sql";

}  // namespace

Result<bool> Leaves::refresh(Connection& connection) {
  auto rows = connection.query(kLeavesSql);
  if (!rows) return rows.error();
  if (rows->empty())
    return Error{Errc::validation, "ringcast.outbox has no partition: its DEFAULT leaf is missing"};
  present_.clear();
  std::set<Oid> ended;
  for (std::size_t i = 0; i < rows->size(); ++i) {
    const bool future = rows->flag(i, 2);
    if (future) continue;
    present_[rows->number(i, 0)] = std::string(rows->text(i, 1));
    if (rows->flag(i, 3)) ended.insert(rows->number(i, 0));
  }
  until_ = std::string(rows->text(0, 4));
  inheritance_sum_ = std::string(rows->text(0, 5));
  if (auto noted = note_ended(connection, ended); !noted) return noted.error();
  return assemble();
}

// A transaction that wrote into a leaf before its day ended has a number below one that is handed
// out afterwards. The xmax of a snapshot would not do: it is the newest number that has *ended*,
// and older transactions with higher numbers may still be open.
Result<void> Leaves::note_ended(Connection& connection, const std::set<Oid>& ended) {
  std::erase_if(ended_, [&](const auto& entry) { return !ended.contains(entry.first); });
  const bool news = std::any_of(ended.begin(), ended.end(), [&](Oid oid) {
    return !ended_.contains(oid) && !closed_.contains(oid);
  });
  if (!news) return {};
  auto rows = connection.query("select pg_current_xact_id()::text::bigint");
  if (!rows) return rows.error();
  for (const Oid oid : ended)
    if (!closed_.contains(oid)) ended_.emplace(oid, static_cast<Xid>(rows->number(0, 0)));
  return {};
}

bool Leaves::caught_up(std::string_view snapshot) {
  if (ended_.empty()) return false;
  const auto parsed = parse_snapshot(snapshot);
  if (!parsed) return false;
  for (auto entry = ended_.begin(); entry != ended_.end();) {
    if (parsed->xmin > entry->second) {
      closed_.insert(entry->first);
      entry = ended_.erase(entry);
    } else {
      ++entry;
    }
  }
  return assemble();
}

bool Leaves::assemble() {
  std::vector<std::string> open;
  for (const auto& [oid, name] : present_)
    if (!closed_.contains(oid)) open.push_back(name);
  if (open == open_) return false;
  open_ = std::move(open);
  return true;
}

void Leaves::forget() { *this = Leaves{}; }

Result<void> Leaves::make_ahead(Connection& connection) {
  auto missing = connection.query(kMissingSql);
  if (!missing) return missing.error();
  for (std::size_t i = 0; i < missing->size(); ++i) {
    auto made =
        connection.query("select ringcast.make_leaf($1::date)", Params{}.add(missing->text(i, 0)));
    if (!made) return made.error();
  }
  return {};
}

}  // namespace ringcast::pg
