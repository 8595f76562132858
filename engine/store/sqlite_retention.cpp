#include "store/sqlite_retention.hpp"

#include "store/archive_file.hpp"

namespace ringcast {

namespace {

constexpr std::string_view kOldRowsSql =
    "select o.id, strftime('%Y%m%d', o.created_at_ms / 1000.0, 'unixepoch'), o.created_at_ms,"
    " o.event_id, o.kind, o.version, o.tenant_id, o.aggregate_type, o.aggregate_id, o.event_type,"
    " o.room, o.exclude_user, o.conflation_key, o.redrive_of, o.occurred_at,"
    " strftime('%Y-%m-%dT%H:%M:%fZ', o.created_at_ms / 1000.0, 'unixepoch'), o.headers, o.payload"
    " from ringcast_outbox o where o.id > ?1"
    " and o.id < (select max(id) from ringcast_outbox)"
    " and (?2 = 0 or o.id <= (select delivered from ringcast_progress) and not exists"
    "  (select 1 from ringcast_failed f where f.id = o.id and f.state in (1, 2)))"
    " order by o.id limit ?3";

void append_line(std::string& out, const SqliteStatement& at) {
  const auto text = [&](int column) {
    return at.is_null(column) ? std::nullopt : std::optional<std::string_view>(at.text(column));
  };
  ArchivedRow row;
  row.id = at.integer(0);
  row.event_id = at.text(3);
  row.kind = at.integer(4);
  row.version = at.integer(5);
  row.tenant_id = text(6);
  row.aggregate_type = text(7);
  row.aggregate_id = text(8);
  row.event_type = at.text(9);
  row.room = text(10);
  row.exclude_user = text(11);
  row.conflation_key = text(12);
  if (!at.is_null(13)) row.redrive_of = at.integer(13);
  row.occurred_at = at.text(14);
  row.created_at = at.text(15);
  row.headers = text(16);
  row.payload = at.text(17);
  append_archive_line(out, row);
}

}  // namespace

Result<OldRowsPage> read_old_rows(SqliteConnection& connection, const OldRows& which,
                                  WithLines with) {
  auto rows = connection.prepare(kOldRowsSql);
  if (!rows) return rows.error();
  rows->bind(1, which.after_id).bind(2, std::int64_t{which.settled}).bind(3, kOldRowsMax + 1);
  OldRowsPage page;
  for (;;) {
    const auto stepped = rows->step();
    if (!stepped) return stepped.error();
    if (*stepped == SqliteStatement::Step::done || rows->integer(2) >= which.before_ms) return page;
    const std::string_view day = rows->text(1);
    page.more = page.ids.size() == kOldRowsMax || page.lines.size() >= kOldRowsBytesMax ||
                (!page.ids.empty() && day != page.day);
    if (page.more) return page;
    page.day = day;
    page.ids.push_back(rows->integer(0));
    if (with == WithLines::yes) append_line(page.lines, *rows);
  }
}

Result<void> remove_rows(SqliteConnection& connection, const std::vector<std::int64_t>& ids) {
  auto transaction = SqliteTransaction::begin(connection, SqliteTransaction::Kind::write);
  if (!transaction) return transaction.error();
  auto remove = connection.prepare(
      "delete from ringcast_outbox where id = ?1 and not exists"
      " (select 1 from ringcast_failed where id = ?1 and state in (1, 2))");
  if (!remove) return remove.error();
  for (const std::int64_t id : ids)
    if (auto removed = remove->bind(1, id).run(); !removed) return removed;
  return transaction->commit();
}

}  // namespace ringcast
