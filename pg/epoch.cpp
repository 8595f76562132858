#include "pg/epoch.hpp"

namespace ringcast::pg {

namespace {

// The timeline of the log position that is written now: the control file learns of a promotion only
// at the checkpoint that follows it.
constexpr std::string_view kIdentity =
    "(select system_identifier from pg_control_system()) as system_identifier,"
    " ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int as timeline,"
    " (select oid::bigint from pg_database where datname = current_database()) as database_oid";

// Numbers from another cluster: a row that is visible has a transaction number below the snapshot's
// xmax, and so has every snapshot that was recorded.
constexpr const char* kForeignNumbers = R"sql(
select coalesce((select pg_snapshot_xmax(snap_to) > pg_snapshot_xmax(pg_current_snapshot())
                 from ringcast.reader_window where source = 'outbox' order by no desc limit 1),
                false)
       or exists (select from ringcast.outbox
                  where xid >= pg_snapshot_xmax(pg_current_snapshot())))sql";

}  // namespace

Result<std::string> current_epoch(Connection& connection) {
  auto rows = connection.query("select epoch from ringcast.meta");
  if (!rows) return rows.error();
  if (rows->empty()) return Error{Errc::validation, "ringcast.meta has lost its row"};
  return std::string(rows->text(0, 0));
}

Result<std::string> renew_epoch(Connection& connection, const std::string& old) {
  auto renewed = connection.query(
      "update ringcast.meta m set epoch = replace(gen_random_uuid()::text, '-', ''),"
      " system_identifier = i.system_identifier, timeline = i.timeline,"
      " database_oid = i.database_oid from (select " +
          std::string(kIdentity) + ") i where m.epoch = $1",
      Params{}.add(old));
  if (!renewed) return renewed.error();
  return current_epoch(connection);
}

Result<void> check_numbers(Connection& connection) {
  auto foreign = connection.query(kForeignNumbers);
  if (!foreign) return foreign.error();
  if (foreign->flag(0, 0))
    return Error{Errc::validation,
                 "the outbox holds transaction numbers of another cluster, as after restoring a "
                 "dump: stop the writers and run `select ringcast.rebase()` once"};
  return {};
}

Result<std::string> settle_epoch(Connection& connection) {
  auto rows = connection.query(
      "select m.epoch, (m.system_identifier, m.timeline, m.database_oid) ="
      " (i.system_identifier, i.timeline, i.database_oid) from ringcast.meta m, (select " +
      std::string(kIdentity) + ") i");
  if (!rows) return rows.error();
  if (rows->empty()) return Error{Errc::validation, "ringcast.meta has lost its row"};
  const std::string epoch(rows->text(0, 0));
  if (rows->flag(0, 1)) return epoch;
  return renew_epoch(connection, epoch);
}

}  // namespace ringcast::pg
