#include "pg/retention.hpp"

#include <fmt/format.h>

#include <utility>

#include "base/log.hpp"

namespace ringcast::pg {

namespace {

constexpr std::int64_t kLeafPageRowsMax = 500;
constexpr std::int64_t kLeafPageBytesMax = 1 << 20;

constexpr const char* kOldLeavesSql = R"sql(
select right(c.relname, 8), c.relname ~ '^outbox_retired_'
from pg_class c
where c.relnamespace = 'ringcast'::regnamespace and c.relkind = 'r'
  and (c.relname ~ '^outbox_[0-9]{8}$' and exists (
         select from pg_inherits where inhrelid = c.oid and inhparent = 'ringcast.outbox'::regclass)
       or c.relname ~ '^outbox_retired_[0-9]{8}$')
  and right(c.relname, 8) < to_char($1::date, 'YYYYMMDD')
order by 1)sql";

// The sizes first: what is beyond the page is not made into text.
constexpr std::string_view kPageSql = R"sql(
with p as materialized (
  select id, sum(octet_length(payload)) over (order by id) - octet_length(payload) as before
  from (select id, payload from {0} where id > $1::bigint order by id limit $2::bigint) x)
select o.id, o.event_id::text, o.kind::bigint, o.version::bigint, o.tenant_id, o.aggregate_type,
       o.aggregate_id, o.event_type, o.room, o.exclude_user, o.conflation_key, o.redrive_of,
       to_char(o.occurred_at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
       to_char(o.created_at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), o.headers::text, o.payload
from p join {0} o on o.id = p.id where p.before < $3::bigint order by o.id)sql";

void append_line(std::string& out, const Rows& rows, std::size_t at) {
  const auto text = [&](int column) {
    return rows.null(at, column) ? std::nullopt
                                 : std::optional<std::string_view>(rows.text(at, column));
  };
  ArchivedRow row;
  row.id = rows.number(at, 0);
  row.event_id = rows.text(at, 1);
  row.kind = rows.number(at, 2);
  row.version = rows.number(at, 3);
  row.tenant_id = text(4);
  row.aggregate_type = text(5);
  row.aggregate_id = text(6);
  row.event_type = rows.text(at, 7);
  row.room = text(8);
  row.exclude_user = text(9);
  row.conflation_key = text(10);
  if (!rows.null(at, 11)) row.redrive_of = rows.number(at, 11);
  row.occurred_at = rows.text(at, 12);
  row.created_at = rows.text(at, 13);
  row.headers = text(14);
  row.payload = rows.text(at, 15);
  append_archive_line(out, row);
}

}  // namespace

std::string OldLeaf::table() const {
  return fmt::format("ringcast.outbox_{}{}", retired ? "retired_" : "", day);
}

Result<std::vector<OldLeaf>> old_leaves(Connection& connection, const std::string& before) {
  auto rows = connection.query(kOldLeavesSql, Params{}.add(before));
  if (!rows) return rows.error();
  std::vector<OldLeaf> leaves;
  for (std::size_t i = 0; i < rows->size(); ++i)
    leaves.push_back({std::string(rows->text(i, 0)), rows->flag(i, 1)});
  return leaves;
}

Result<std::optional<std::string>> retire_leaf(Connection& connection, const std::string& day,
                                               Retired how) {
  const std::string_view keep = how == Retired::kept ? "true" : "false";
  auto rows = connection.query("select ringcast.retire_leaf(to_date($1, 'YYYYMMDD'), $2::boolean)",
                               Params{}.add(day).add(keep));
  if (!rows) return rows.error();
  if (rows->null(0, 0)) return std::optional<std::string>{};
  return std::optional<std::string>(rows->text(0, 0));
}

Result<void> drop_retired_leaf(Connection& connection, const std::string& day) {
  auto done = connection.query("select ringcast.drop_retired_leaf(to_date($1, 'YYYYMMDD'))",
                               Params{}.add(day));
  if (!done) return done.error();
  return {};
}

Result<bool> lock_archive(Connection& connection) {
  auto rows = connection.query("select pg_try_advisory_lock(7461203558041153)");
  if (!rows) return rows.error();
  return rows->flag(0, 0);
}

Result<void> unlock_archive(Connection& connection) {
  auto done = connection.query("select pg_advisory_unlock(7461203558041153)");
  if (!done) return done.error();
  return {};
}

Result<LeafPage> read_leaf_page(Connection& connection, const OldLeaf& leaf,
                                std::int64_t after_id) {
  auto rows = connection.query(fmt::format(kPageSql, leaf.table()),
                               Params{}.add(after_id).add(kLeafPageRowsMax).add(kLeafPageBytesMax));
  if (!rows) return rows.error();
  LeafPage page{.lines = {}, .rows = rows->size(), .last_id = after_id};
  for (std::size_t i = 0; i < rows->size(); ++i) append_line(page.lines, *rows, i);
  if (!rows->empty()) page.last_id = rows->number(rows->size() - 1, 0);
  return page;
}

Result<bool> Retention::step(Connection& connection, std::int64_t days) {
  if (archive_) return go_on(connection);
  auto before = connection.query(
      "select ((clock_timestamp() at time zone 'UTC')::date - $1::int)::text", Params{}.add(days));
  if (!before) return before.error();
  auto leaves = old_leaves(connection, std::string(before->text(0, 0)));
  if (!leaves) return leaves.error();
  for (const OldLeaf& leaf : *leaves) {
    if (leaf.retired) {
      // Somebody wanted an archive of it: a daemon that makes none leaves it alone.
      if (folder_.empty()) continue;
      auto begun = begin_archive(connection, leaf);
      if (!begun || *begun) return begun;
      continue;
    }
    auto stays =
        retire_leaf(connection, leaf.day, folder_.empty() ? Retired::dropped : Retired::kept);
    if (!stays) return stays.error();
    if (!stays->has_value()) {
      log::info("outbox: the partition of {} was {}", leaf.day,
                folder_.empty() ? "dropped" : "taken out for the archive");
      return true;
    }
    if (oldest_kept_ != leaf.day && leaf.day == leaves->front().day)
      log::info("outbox: the partition of {} stays: {}", oldest_kept_ = leaf.day, **stays);
  }
  return false;
}

Result<bool> Retention::begin_archive(Connection& connection, const OldLeaf& leaf) {
  auto locked = lock_archive(connection);
  if (!locked || !*locked) return locked;
  auto file = ArchiveFile::open(archive_path(folder_, leaf.day));
  if (file) {
    archive_.emplace(Archive{leaf, std::move(file).value()});
    return true;
  }
  if (auto unlocked = unlock_archive(connection); !unlocked) return unlocked.error();
  return file.error();
}

Result<bool> Retention::go_on(Connection& connection) {
  auto page = read_leaf_page(connection, archive_->leaf, archive_->last_id);
  Result<bool> more = true;
  if (!page && connection.last_sqlstate() == "42P01")
    more = true;  // another has archived it between our look and our lock
  else if (!page)
    more = page.error();
  else if (page->rows == 0)
    more = end_archive(connection);
  else if (auto appended = archive_->file.append(page->lines); !appended)
    more = appended.error();
  if (more && page && page->rows != 0) {
    archive_->last_id = page->last_id;
    return more;
  }
  archive_.reset();
  if (!connection.usable()) return more;
  if (auto unlocked = unlock_archive(connection); !unlocked) return unlocked.error();
  return more;
}

Result<bool> Retention::end_archive(Connection& connection) {
  if (auto synced = archive_->file.sync(); !synced) return synced.error();
  if (auto dropped = drop_retired_leaf(connection, archive_->leaf.day); !dropped)
    return dropped.error();
  log::info("outbox: the partition of {} was archived in {}", archive_->leaf.day, folder_);
  return true;
}

}  // namespace ringcast::pg
