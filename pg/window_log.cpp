#include "pg/window_log.hpp"

#include <fmt/format.h>

#include "base/log.hpp"
#include "pg/epoch.hpp"

namespace ringcast::pg {

namespace {

constexpr std::string_view kRecordedColumns =
    "select no, epoch, snap_from::text, snap_to::text, coalesce(id_from, 0), coalesce(id_to, 0), "
    "n, bytes, more from ringcast.reader_window where source = 'outbox' and ";

const std::string kNewest = "true order by no desc limit 1";

Result<std::optional<RecordedWindow>> find(Connection& connection, const std::string& where,
                                           const Params& params) {
  auto rows = connection.query(std::string(kRecordedColumns) + where, params);
  if (!rows) return rows.error();
  if (rows->empty()) return std::optional<RecordedWindow>{};
  return std::optional<RecordedWindow>{recorded_at(*rows, 0)};
}

}  // namespace

RecordedWindow recorded_at(const Rows& rows, std::size_t row) {
  return {.no = rows.number(row, 0),
          .epoch = std::string(rows.text(row, 1)),
          .from = std::string(rows.text(row, 2)),
          .to = std::string(rows.text(row, 3)),
          .id_from = rows.number(row, 4),
          .id_to = rows.number(row, 5),
          .n = static_cast<std::uint64_t>(rows.number(row, 6)),
          .bytes = static_cast<std::uint64_t>(rows.number(row, 7)),
          .more = rows.flag(row, 8)};
}

Result<std::vector<RecordedWindow>> windows_after(Connection& connection, std::int64_t no) {
  auto rows = connection.query(
      fmt::format("{}no > $1::bigint order by no limit {}", kRecordedColumns, kWindowsAtOnce),
      Params{}.add(no));
  if (!rows) return rows.error();
  std::vector<RecordedWindow> windows;
  for (std::size_t i = 0; i < rows->size(); ++i) windows.push_back(recorded_at(*rows, i));
  return windows;
}

Result<LogPlace> place_by_history(Connection& connection, const std::string& epoch,
                                  std::chrono::seconds history, std::uint64_t replay_bytes_max) {
  auto newest = find(connection, kNewest, {});
  if (!newest) return newest.error();
  auto first = connection.query(
      "select min(no) from (select no, at, sum(bytes) over (order by no desc) as total"
      " from ringcast.reader_window where source = 'outbox' and epoch = $1"
      " and at >= clock_timestamp() - make_interval(secs => $2::float8)) w"
      " where total <= $3::numeric",
      Params{}.add(epoch).add(history.count()).add(replay_bytes_max));
  if (!first) return first.error();
  LogPlace place{.cursor = newest->value_or(RecordedWindow{})};
  place.replay_until = place.cursor.no;
  if (!first->null(0, 0)) {
    const std::int64_t no = first->number(0, 0);
    auto before = find(connection, "no < $1::bigint order by no desc limit 1", Params{}.add(no));
    if (!before) return before.error();
    // Without the window just before, nothing is known about offsets below the first one.
    place.cursor = {.no = no - 1, .n = no == 1 ? 0 : kOffsetsPerWindow};
    if (before->has_value() && (*before)->no == no - 1) place.cursor = **before;
  }
  return place;
}

Result<FoundAgain> find_again(Connection& connection, const RecordedWindow& cursor,
                              const std::string& known_epoch, const std::string& epoch) {
  const std::int64_t at = cursor.no;
  auto newest = find(connection, kNewest, {});
  if (!newest) return newest.error();
  auto same = find(connection, "no = $1::bigint", Params{}.add(at));
  if (!same) return same.error();
  // A window that is gone while later ones stand was pruned: still the same log.
  const bool pruned = !same->has_value() && newest->has_value() && (*newest)->no > at;
  const bool known =
      at == 0 || (same->has_value() && **same == cursor) || (pruned && epoch == known_epoch);
  FoundAgain again{.epoch = epoch, .cursor = cursor};
  if (known && epoch == known_epoch) return again;

  if (epoch == known_epoch) {
    auto renewed = renew_epoch(connection, epoch);
    if (!renewed) return renewed.error();
    again.epoch = *renewed;
  }
  if (!known) {
    auto common =
        find(connection, "epoch <> $1 order by no desc limit 1", Params{}.add(again.epoch));
    if (!common) return common.error();
    again.cursor = common->value_or(RecordedWindow{});
  }
  log::warning(
      "the numbering of the outbox begins anew: this is another database than before, or "
      "an earlier state of it");
  return again;
}

Result<void> check_epoch(Connection& connection, const RecordedWindow& window,
                         const std::string& epoch) {
  if (window.epoch == epoch) return {};
  auto now = current_epoch(connection);
  if (!now) return now.error();
  if (*now == epoch) return {};
  return Error{Errc::unavailable, "the numbering of the outbox has begun anew"};
}

}  // namespace ringcast::pg
