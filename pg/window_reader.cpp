#include "pg/window_reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "base/ensure.hpp"
#include "base/failpoint.hpp"

namespace ringcast::pg {

namespace {

constexpr std::chrono::seconds kLeavesEvery{60};
constexpr int kAttemptsMax = 4;

}  // namespace

Result<StoreState> WindowReader::start(Connection& connection, const std::string& epoch,
                                       std::chrono::seconds history,
                                       std::uint64_t replay_bytes_max) {
  auto place = place_by_history(connection, epoch, history, replay_bytes_max);
  if (!place) return place.error();
  epoch_ = epoch;
  ahead_.clear();
  parts_.reset();
  new_statements();
  cursor_ = std::move(place->cursor);
  replay_until_ = place->replay_until;
  floor_ = cursor_.top();
  return StoreState{.epoch = epoch_, .floor = floor_};
}

Result<StoreState> WindowReader::resume(Connection& connection, const std::string& epoch) {
  new_statements();
  auto again = find_again(connection, cursor_, epoch_, epoch);
  if (!again) return again.error();
  ahead_.clear();
  if (again->epoch != epoch_) {
    parts_.reset();
    cursor_ = std::move(again->cursor);
    epoch_ = std::move(again->epoch);
    floor_ = cursor_.top();
    replay_until_ = cursor_.no;
  }
  return StoreState{.epoch = epoch_, .floor = floor_};
}

void WindowReader::new_statements() {
  behind_ = true;
  record_sent_ = false;
  rows_sent_ = 0;
  leaves_.forget();
  leaves_doubtful_ = true;
  statements_old_ = true;
}

// Statements for the leaves as they are.
Result<void> WindowReader::prepare(Connection& connection) {
  const Instant now = SystemClock{}.now();
  if (leaves_doubtful_ || now - leaves_at_ >= kLeavesEvery) {
    auto changed = leaves_.refresh(connection);
    if (!changed) return changed.error();
    leaves_at_ = now;
    leaves_doubtful_ = false;
    statements_old_ = statements_old_ || *changed;
  }
  if (!statements_old_) return {};
  if (auto forgotten = connection.forget_statements(); !forgotten) return forgotten.error();
  sql_ = window_sql(leaves_.open(), ++generation_);
  statements_old_ = false;
  return {};
}

Result<Window> WindowReader::next(Connection& connection, OutboxStore::Read read,
                                  std::uint32_t limit) {
  ensure(limit >= 1 && limit <= kWindowRowsMax, "a window of 1 to 8,191 rows");
  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    if (auto ready = prepare(connection); !ready) return ready.error();
    if (ahead_.empty() && (behind_ || read == OutboxStore::Read::recorded_only))
      if (auto loaded = load_ahead(connection); !loaded) return loaded.error();
    if (!ahead_.empty()) {
      auto window = read_recorded(connection, read, limit);
      if (!window || !window->rows.empty() || window->begins_after_gap) return window;
      continue;
    }
    if (read == OutboxStore::Read::recorded_only) return nothing_new();
    auto recorded = record(connection, limit);
    if (!recorded) return recorded.error();
    if (recorded->has_value()) return **std::move(recorded);
  }
  Window window = nothing_new();
  window.more = true;
  return window;
}

Result<std::optional<std::string>> WindowReader::whole_leaf_scan(Connection& connection) {
  if (auto ready = prepare(connection); !ready) return ready.error();
  const std::pair<const Statement*, std::string_view> checked[] = {
      {&sql_.record_new, "('outbox', 1, '', '1:1:', 1, 1, 1, 'infinity', 0)"},
      {&sql_.record_backlog, "('outbox', 1, '', '1:1:', '1:1:', 1, 1, 'infinity', 0)"},
      {&sql_.rows, "(1, 1, '1:1:', '1:1:', 1)"},
  };
  for (const auto& [statement, values] : checked) {
    if (auto done = connection.prepare(*statement); !done) return done.error();
    auto plan =
        connection.query(fmt::format("explain (costs off) execute {}{}", statement->name, values));
    if (!plan) return plan.error();
    for (std::size_t i = 0; i < plan->size(); ++i) {
      const std::string_view line = plan->text(i, 0);
      if (line.find(" on outbox_") == std::string_view::npos) continue;
      const bool bounded = i + 1 < plan->size() &&
                           plan->text(i + 1, 0).find("Index Cond:") != std::string_view::npos;
      if (!bounded) return std::optional<std::string>(line);
    }
  }
  return std::optional<std::string>{};
}

// ---- windows that are recorded ------------------------------------------------------------------

Result<void> WindowReader::load_ahead(Connection& connection) {
  auto windows = windows_after(connection, cursor_.no);
  if (!windows) return windows.error();
  ahead_.assign(windows->begin(), windows->end());
  behind_ = !ahead_.empty();
  return {};
}

Result<Window> WindowReader::read_recorded(Connection& connection, OutboxStore::Read read,
                                           std::uint32_t limit) {
  const Recorded window = ahead_.front();
  if (auto checked = check_epoch(connection, window, epoch_); !checked) return checked.error();
  const bool in_parts = parts_ || window.bytes > kPageBytesMax;
  if (in_parts)
    if (auto received = receive_record(connection); !received) return received.error();
  auto out = in_parts ? read_part(connection, window) : read_whole(connection, window, read, limit);
  if (!out) {
    if (connection.last_sqlstate() != "42P01") return out;
    if (auto dropped = connection.drop_ahead(); !dropped) return dropped.error();
    new_statements();
    return nothing_new();
  }
  out->ours = window.no >= own_first_ && window.no <= own_last_;
  out->begins_after_gap = out->begins_after_gap || window.no != cursor_.no + 1;
  if (parts_) return out;
  ahead_.pop_front();
  move_behind(window);
  out->top = window.top();
  out->more = known_more();
  return out;
}

Result<Window> WindowReader::read_whole(Connection& connection, const Recorded& window,
                                        OutboxStore::Read read, std::uint32_t limit) {
  // The rows are on their way, or are sent for now; meanwhile the server is given the next work.
  if (rows_sent_ != window.no) {
    if (auto received = receive_record(connection); !received) return received.error();
    if (auto sent = send_record(connection, read, limit); !sent) return sent.error();
    if (auto sent = send_rows(connection, window); !sent) return sent.error();
  }
  if (auto received = receive_record(connection); !received) return received.error();
  rows_sent_ = 0;
  if (ahead_.size() > 1) {
    if (auto sent = send_record(connection, read, limit); !sent) return sent.error();
    if (ahead_[1].bytes <= kPageBytesMax)
      if (auto sent = send_rows(connection, ahead_[1]); !sent) return sent.error();
  }
  auto rows = connection.receive();
  if (!rows) return rows.error();
  Window out;
  out.begins_after_gap = rows->size() != window.n;
  out.rows.reserve(rows->size());
  for (std::size_t i = 0; i < rows->size(); ++i) {
    out.rows.push_back(read_row(*rows, i, 0));
    out.rows.back().offset = static_cast<Offset>(window.no) * kOffsetsPerWindow + i + 1;
  }
  out.memory = std::make_shared<Rows>(std::move(rows).value());
  return out;
}

Result<void> WindowReader::send_rows(Connection& connection, const Recorded& window) {
  rows_sent_ = window.no;
  return connection.send_ahead(sql_.rows, Params{}
                                              .add(window.id_from)
                                              .add(window.id_to)
                                              .add(window.from)
                                              .add(window.to)
                                              .add(limits_.payload_bytes_max));
}

// The window behind the last one that is known, if it belongs to the same backlog.
Result<void> WindowReader::send_record(Connection& connection, OutboxStore::Read read,
                                       std::uint32_t limit) {
  if (read != OutboxStore::Read::record_on || behind_ || !ahead_.back().more || ahead_.size() > 2)
    return {};
  record_sent_ = true;
  return connection.send_ahead(sql_.record_backlog, backlog_params(ahead_.back(), limit));
}

Result<void> WindowReader::receive_record(Connection& connection) {
  if (!std::exchange(record_sent_, false)) return {};
  auto rows = connection.receive();
  if (rows) {
    recorded_own(*rows, ahead_.back());
    return {};
  }
  behind_ = true;
  auto looked = after_failure(connection, rows.error());
  if (!looked) return looked.error();
  return {};
}

Result<Window> WindowReader::read_part(Connection& connection, const Recorded& window) {
  const auto range = [&](std::int64_t first, std::int64_t last) {
    return Params{}.add(first).add(last).add(window.from).add(window.to);
  };
  if (!parts_) {
    auto index = connection.execute(sql_.index, range(window.id_from, window.id_to));
    if (!index) return index.error();
    Parts parts;
    for (std::size_t i = 0; i < index->size(); ++i) {
      parts.ids.push_back(index->number(i, 0));
      parts.sizes.push_back(static_cast<std::uint64_t>(index->number(i, 1)));
    }
    parts_ = std::move(parts);
  }
  Window out;
  out.begins_after_gap = parts_->ids.size() != window.n;
  const std::size_t first = parts_->given;
  std::size_t last = first;  // exclusive
  for (std::uint64_t bytes = 0; last < parts_->ids.size(); ++last) {
    const std::uint64_t size = parts_->sizes[last];
    if (size <= limits_.payload_bytes_max) bytes += size;
    if (bytes > kPageBytesMax && last > first) break;
  }
  if (first < last) {
    auto rows = connection.execute(
        sql_.rows, range(parts_->ids[first], parts_->ids[last - 1]).add(limits_.payload_bytes_max));
    if (!rows) return rows.error();
    const Offset base = static_cast<Offset>(window.no) * kOffsetsPerWindow;
    for (std::size_t i = 0, at = first; i < rows->size(); ++i) {
      OutboxRow row = read_row(*rows, i, 0);
      // Rows deleted since the index was read leave their ranks empty.
      while (at < last && parts_->ids[at] < row.id) ++at;
      row.offset = base + ++at;
      out.rows.push_back(row);
    }
    out.memory = std::make_shared<Rows>(std::move(rows).value());
    out.top = base + last;
  }
  parts_->given = last;
  out.more = true;
  if (last == parts_->ids.size()) parts_.reset();
  return out;
}

// ---- windows that nobody has recorded -----------------------------------------------------------

// None: another was first, or the statement did not name the right leaves; look again.
Result<std::optional<Window>> WindowReader::record(Connection& connection, std::uint32_t limit) {
  if (cursor_.more) return record_backlog(connection, cursor_, limit);
  return record_new(connection, limit);
}

Result<std::optional<Window>> WindowReader::record_new(Connection& connection,
                                                       std::uint32_t limit) {
  const std::int64_t no = cursor_.no + 1;
  failpoint("read");
  auto rows = connection.execute(sql_.record_new, Params{}
                                                      .add(kSource)
                                                      .add(no)
                                                      .add(epoch_)
                                                      .add(from())
                                                      .add(limit)
                                                      .add(limits_.window_bytes_max)
                                                      .add(limits_.payload_bytes_max)
                                                      .add(leaves_.until())
                                                      .add(leaves_.inheritance_sum()));
  if (!rows) return after_failure(connection, rows.error());
  const std::string snapshot(rows->text(0, 1));
  const auto n = static_cast<std::uint64_t>(rows->number(0, 2));
  const auto bytes = static_cast<std::uint64_t>(rows->number(0, 3));
  if (const auto parsed = parse_snapshot(snapshot)) seen_below_ = parsed->xmin;
  if (!rows->flag(0, 4)) {
    leaves_doubtful_ = true;
    return std::optional<Window>{};
  }
  if (n > limit || bytes > limits_.window_bytes_max) {
    auto start = backlog_start(connection);
    if (!start) return start.error();
    return record_backlog(
        connection,
        {.no = cursor_.no, .from = from(), .to = snapshot, .id_to = *start, .more = true}, limit);
  }
  if (n == 0) {
    caught_up(snapshot);
    return std::optional<Window>{nothing_new()};
  }
  if (rows->null(0, 0)) {
    behind_ = true;
    return std::optional<Window>{};
  }

  Window out;
  out.rows.reserve(n);
  for (std::size_t i = 0; i < rows->size(); ++i) {
    out.rows.push_back(read_row(*rows, i, 5));
    out.rows.back().offset = static_cast<Offset>(no) * kOffsetsPerWindow + i + 1;
  }
  failpoint("record");
  if (no != own_last_ + 1) own_first_ = no;
  own_last_ = no;
  move_behind({.no = no,
               .epoch = epoch_,
               .from = from(),
               .to = snapshot,
               .id_from = out.rows.front().id,
               .id_to = out.rows.back().id,
               .n = n,
               .bytes = bytes,
               .more = false});
  out.memory = std::make_shared<Rows>(std::move(rows).value());
  out.top = cursor_.top();
  return std::optional<Window>{std::move(out)};
}

// Not simply the last window's highest id: an insert takes its id first and its transaction number
// a moment later, so a lower id may belong to a transaction that the last snapshot did not see.
Result<std::int64_t> WindowReader::backlog_start(Connection& connection) {
  if (cursor_.no == 0) return std::int64_t{0};  // all of the table: nothing to look for
  auto rows = connection.execute(sql_.backlog_start, Params{}.add(from()));
  if (!rows) return rows.error();
  return rows->number(0, 0);
}

// One window a statement, always: of two recorded at once the first may be another daemon's, seen
// with other snapshots, and the rows between them would be in neither.
Result<std::optional<Window>> WindowReader::record_backlog(Connection& connection,
                                                           const Recorded& after,
                                                           std::uint32_t limit) {
  failpoint("read");
  auto rows = connection.execute(sql_.record_backlog, backlog_params(after, limit));
  if (!rows) return after_failure(connection, rows.error());
  recorded_own(*rows, after);
  return std::optional<Window>{};
}

// `after` is the window before, whose snapshots are also those of the next.
Params WindowReader::backlog_params(const Recorded& after, std::uint32_t limit) const {
  return Params{}
      .add(kSource)
      .add(after.no + 1)
      .add(epoch_)
      .add(after.from)
      .add(after.to)
      .add(after.id_to)
      .add(limit)
      .add(leaves_.until())
      .add(leaves_.inheritance_sum());
}

void WindowReader::recorded_own(const Rows& rows, const Recorded& after) {
  // Nothing recorded: by another, or because a leaf came or went, which costs one look to find out.
  if (rows.empty()) {
    behind_ = leaves_doubtful_ = true;
    return;
  }
  Recorded window{.no = rows.number(0, 0),
                  .epoch = epoch_,
                  .from = after.from,
                  .to = after.to,
                  .id_from = rows.number(0, 1),
                  .id_to = rows.number(0, 2),
                  .n = static_cast<std::uint64_t>(rows.number(0, 3)),
                  .bytes = static_cast<std::uint64_t>(rows.number(0, 4)),
                  .more = rows.flag(0, 5)};
  failpoint("record");
  if (window.no != own_last_ + 1) own_first_ = window.no;
  own_last_ = window.no;
  ahead_.push_back(std::move(window));
}

Result<std::optional<Window>> WindowReader::after_failure(Connection& connection,
                                                          const Error& error) {
  const std::string& state = connection.last_sqlstate();
  if (state == "42P01") {  // a leaf was dropped
    leaves_doubtful_ = true;
    return std::optional<Window>{};
  }
  if (state == "55P03") {  // lock_timeout: another daemon stands still in the middle of its record
    log::warning(lock_warnings_, "another daemon holds the next outbox window and does not end");
    return std::optional<Window>{nothing_new()};
  }
  return error;
}

// ---- the cursor ---------------------------------------------------------------------------------

void WindowReader::move_behind(const Recorded& window) {
  cursor_ = window;
  if (!window.more) caught_up(window.to);
}

void WindowReader::caught_up(std::string_view snapshot) {
  if (leaves_.caught_up(snapshot)) statements_old_ = true;
}

Window WindowReader::nothing_new() const {
  Window window;
  window.top = cursor_.top();
  if (parts_) window.top = static_cast<Offset>(cursor_.no + 1) * kOffsetsPerWindow + parts_->given;
  window.more = known_more();
  return window;
}

bool WindowReader::known_more() const { return !ahead_.empty() || cursor_.more || replaying(); }

Result<Backlog> WindowReader::unread(Connection& connection) {
  if (auto ready = prepare(connection); !ready) return ready.error();
  auto rows = connection.execute(
      sql_.unread,
      Params{}
          .add(from())
          .add(cursor_.to)
          .add(cursor_.more ? cursor_.id_to : std::numeric_limits<std::int64_t>::max()));
  if (!rows) return rows.error();
  Backlog backlog{.rows = static_cast<std::uint64_t>(rows->number(0, 0)), .oldest_seconds = {}};
  if (!rows->null(0, 1)) backlog.oldest_seconds = std::max(0.0, rows->real(0, 1));
  return backlog;
}

}  // namespace ringcast::pg
