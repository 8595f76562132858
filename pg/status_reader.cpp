#include "pg/status_reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "base/ensure.hpp"
#include "base/failpoint.hpp"
#include "pg/window_sql.hpp"

namespace ringcast::pg {

namespace {

constexpr int kClaimAttemptsMax = 4;

const Statement kClaim = {"claim",
                          "select * from ringcast.claim_window($1, $2, $3::int, $4::bigint,"
                          " $5::bigint)"};

// $1 the first offset, $2 the last, $3 payload bytes.
const Statement kRows = {"claimed_rows",
                         fmt::format("select position, {} from ringcast.outbox where position > 0"
                                     " and position between $1::bigint and $2::bigint"
                                     " order by position",
                                     row_columns("$3"))};

// $1 the offset up to which this daemon has read.
const Statement kUnread = {
    "unread_rows",
    "select count(*), extract(epoch from clock_timestamp() - min(created_at))::float8 from ("
    " select created_at from ringcast.outbox where position = 0"
    " union all select created_at from ringcast.outbox"
    " where position > 0 and position > $1::bigint) x"};

}  // namespace

Result<StoreState> StatusReader::start(Connection& connection, const std::string& epoch,
                                       std::chrono::seconds history,
                                       std::uint64_t replay_bytes_max) {
  auto place = place_by_history(connection, epoch, history, replay_bytes_max);
  if (!place) return place.error();
  epoch_ = epoch;
  ahead_.clear();
  behind_ = true;
  cursor_ = std::move(place->cursor);
  replay_until_ = place->replay_until;
  floor_ = cursor_.top();
  return StoreState{.epoch = epoch_, .floor = floor_};
}

Result<StoreState> StatusReader::resume(Connection& connection, const std::string& epoch) {
  auto again = find_again(connection, cursor_, epoch_, epoch);
  if (!again) return again.error();
  ahead_.clear();
  behind_ = true;
  if (again->epoch != epoch_) {
    cursor_ = std::move(again->cursor);
    epoch_ = std::move(again->epoch);
    floor_ = cursor_.top();
    replay_until_ = cursor_.no;
  }
  return StoreState{.epoch = epoch_, .floor = floor_};
}

Result<Window> StatusReader::next(Connection& connection, OutboxStore::Read read,
                                  std::uint32_t limit) {
  ensure(limit >= 1 && limit <= kWindowRowsMax, "a window of 1 to 8,191 rows");
  const bool claims = read != OutboxStore::Read::recorded_only;
  for (int attempt = 0; attempt < kClaimAttemptsMax; ++attempt) {
    if (ahead_.empty() && (behind_ || !claims)) {
      auto windows = windows_after(connection, cursor_.no);
      if (!windows) return windows.error();
      ahead_.assign(windows->begin(), windows->end());
      behind_ = ahead_.size() == kWindowsAtOnce;
    }
    if (ahead_.empty()) {
      if (!claims) return nothing_new();
      auto claimed = claim(connection, limit);
      if (!claimed) return claimed.error();
      if (*claimed == Claim::nothing) return nothing_new();
      continue;
    }
    const RecordedWindow recorded = ahead_.front();
    if (auto checked = check_epoch(connection, recorded, epoch_); !checked) return checked.error();
    auto window = this->read(connection, recorded);
    if (!window) return window;
    window->begins_after_gap = window->begins_after_gap || recorded.no != cursor_.no + 1;
    ahead_.pop_front();
    cursor_ = recorded;
    window->more = !ahead_.empty() || behind_ || left_over_;
    if (!window->rows.empty() || window->begins_after_gap) return window;
  }
  Window window = nothing_new();
  window.more = true;
  return window;
}

Result<StatusReader::Claim> StatusReader::claim(Connection& connection, std::uint32_t limit) {
  failpoint("read");
  auto rows = connection.execute(
      kClaim,
      Params{}.add(node_).add(epoch_).add(limit).add(kPageBytesMax).add(payload_bytes_max_));
  if (!rows) {
    // lock_timeout: another daemon, or an operator, holds ringcast.progress and does not end.
    if (connection.last_sqlstate() == "55P03") return Claim::nothing;
    return rows.error();
  }
  seen_below_ = static_cast<Xid>(rows->number(0, 10));
  if (rows->flag(0, 12))
    return Error{Errc::unavailable, "the numbering of the outbox has begun anew"};
  left_over_ = rows->flag(0, 11);
  if (rows->null(0, 0)) {
    left_over_ = false;
    behind_ = rows->number(0, 9) > cursor_.no;
    return behind_ ? Claim::others : Claim::nothing;
  }
  failpoint("record");
  RecordedWindow window = recorded_at(*rows, 0);
  own_no_ = window.no;
  behind_ = window.no != cursor_.no + 1;  // then others lie between, and all are loaded in order
  if (!behind_) ahead_.push_back(std::move(window));
  return Claim::claimed;
}

Result<Window> StatusReader::read(Connection& connection, const RecordedWindow& window) {
  Window out;
  out.ours = window.no == own_no_;
  out.top = window.top();
  if (window.n == 0) return out;
  const Offset base = static_cast<Offset>(window.no) * kOffsetsPerWindow;
  auto rows = connection.execute(
      kRows, Params{}.add(base + 1).add(base + window.n).add(payload_bytes_max_));
  if (!rows) return rows.error();
  out.begins_after_gap = rows->size() != window.n;
  out.rows.reserve(rows->size());
  for (std::size_t i = 0; i < rows->size(); ++i) {
    out.rows.push_back(read_row(*rows, i, 1));
    out.rows.back().offset = static_cast<Offset>(rows->number(i, 0));
  }
  out.memory = std::make_shared<Rows>(std::move(rows).value());
  return out;
}

Window StatusReader::nothing_new() const {
  Window window;
  window.top = cursor_.top();
  window.more = !ahead_.empty() || replaying();
  return window;
}

Result<Backlog> StatusReader::unread(Connection& connection) {
  auto rows = connection.execute(kUnread, Params{}.add(cursor_.top()));
  if (!rows) return rows.error();
  Backlog backlog{.rows = static_cast<std::uint64_t>(rows->number(0, 0)), .oldest_seconds = {}};
  if (!rows->null(0, 1)) backlog.oldest_seconds = std::max(0.0, rows->real(0, 1));
  return backlog;
}

Result<std::optional<std::string>> StatusReader::whole_leaf_scan(Connection& connection) {
  if (auto done = connection.prepare(kRows); !done) return done.error();
  auto plan = connection.query(fmt::format("explain (costs off) execute {}(1, 2, 3)", kRows.name));
  if (!plan) return plan.error();
  for (std::size_t i = 0; i < plan->size(); ++i)
    if (plan->text(i, 0).find("Seq Scan on outbox_") != std::string_view::npos)
      return std::optional<std::string>(plan->text(i, 0));
  return std::optional<std::string>{};
}

}  // namespace ringcast::pg
