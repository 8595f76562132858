#include "store/sqlite_store.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory_resource>
#include <string_view>
#include <utility>

#include "base/failpoint.hpp"
#include "base/log.hpp"
#include "message/timestamp.hpp"
#include "store/archive_file.hpp"
#include "store/sqlite_holds.hpp"
#include "store/sqlite_retention.hpp"

namespace ringcast {

namespace {

constexpr std::string_view kUrlPrefix = "sqlite:";

constexpr std::string_view kRowsSql =
    "select id, kind, version, tenant_id, event_type, payload_bytes, event_id, aggregate_type,"
    " aggregate_id, room, exclude_user, conflation_key, occurred_at,"
    " redrive_of, created_at_ms, case when payload_bytes <= ?4 then payload end"
    " from ringcast_outbox where id > ?1 and id <= ?2 order by id limit ?3";

// Text that nothing bounds in the table is kept up to this many octets: more than any of these
// fields may have, so that events_of() still sees that it is too long.
constexpr std::size_t kTextBytesKept = 1'024;
constexpr std::size_t kWindowMemoryBytes = 256 << 10;  // to begin with

// The text of a window's rows, which SQLite takes back with its next row. Thread: outbox. Lives as
// long as the Window.
using Memory = std::pmr::monotonic_buffer_resource;

std::string_view keep(Memory& memory, std::string_view text) {
  if (text.empty()) return {};
  auto* const copy = static_cast<char*>(memory.allocate(text.size(), 1));
  return {copy, text.copy(copy, text.size())};
}

Error lost(std::string detail) { return {Errc::unavailable, std::move(detail)}; }

// A busy database is not a lost one.
Error lost_unless_busy(const Error& error) {
  return error.code == Errc::rate_limited ? error : lost(error.detail);
}

std::string boot_id_of_kernel() {
  std::string boot_id;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> boot_id;
  return boot_id;
}

OutboxRow row_of(const SqliteStatement& at, Memory& memory) {
  const auto text = [&](int column) {
    return keep(memory, at.text(column).substr(0, kTextBytesKept));
  };
  OutboxRow row;
  row.id = at.integer(0);
  row.offset = static_cast<Offset>(row.id);
  row.kind = at.integer(1) == 1 ? OutboxRow::Kind::plain : OutboxRow::Kind::envelope;
  row.version = at.integer(2);
  row.tenant_id = text(3);
  row.event_type = text(4);
  row.payload_bytes = static_cast<std::uint64_t>(at.integer(5));
  row.event_id = Uuid::parse(at.text(6));
  if (!row.event_id) row.event_id_text = text(6);
  row.aggregate_type = text(7);
  row.aggregate_id = text(8);
  if (!at.is_null(9)) row.room = text(9);
  row.exclude_user = text(10);
  row.conflation_key = text(11);
  row.occurred_at = parse_timestamp(at.text(12));
  if (!at.is_null(13)) row.redrive_of = at.integer(13);
  row.written = WallTime{Millis{at.integer(14)}};
  row.payload = keep(memory, at.text(15));
  return row;
}

}  // namespace

Result<std::string> sqlite_path(std::string_view url) {
  if (!url.starts_with(kUrlPrefix))
    return {Errc::validation, "store.url: expected sqlite:PATH or postgresql://..."};
  std::string path(url.substr(kUrlPrefix.size()));
  // SQLite would take these for a database in memory, or one that is deleted when it is closed.
  if (path.empty() || path.starts_with(":") || path.starts_with("file:") || path.back() == '/')
    return {Errc::validation, "store.url: expected the path of a file after sqlite:"};
  return path;
}

SqliteStore::SqliteStore(const Config& config, std::string path, std::string boot_id)
    : config_(config),
      path_(std::move(path)),
      boot_id_(std::move(boot_id)),
      daemon_id_(Uuid::random().text()) {}

SqliteStore::~SqliteStore() {
  if (!open_) return;
  if (auto left = leave_sqlite(open_->connection, {daemon_id_, boot_id_, open_->inode}); !left)
    log::warning("{}: could not leave in order: {}", describe(), left.error().detail);
}

std::string SqliteStore::describe() const { return fmt::format("sqlite:{}", path_); }

Result<std::string> SqliteStore::inode_of_path() const {
  struct stat status {};
  if (::stat(path_.c_str(), &status) != 0)
    return lost(fmt::format("store: {}: {}", path_, std::strerror(errno)));
  return std::to_string(status.st_ino);
}

Result<StoreState> SqliteStore::open(std::chrono::seconds history, std::uint64_t replay_bytes_max) {
  history_ = history;
  replay_bytes_max_ = replay_bytes_max;
  if (auto connected = connect(); !connected) return connected.error();
  if (auto placed = place_cursor(); !placed) return placed.error();
  return with_delivered();
}

Result<StoreState> SqliteStore::reopen() {
  if (auto connected = connect(); !connected) return connected.error();
  if (state_.epoch == cursor_epoch_) {
    const auto numbers = numbering();
    if (!numbers) return lost_unless_busy(numbers.error());
    if (*numbers == Numbering::went_back) {
      auto renewed = renew_sqlite_epoch(open_->connection, state_.epoch);
      if (!renewed) return lost_unless_busy(renewed.error());
      state_.epoch = std::move(renewed).value();
    }
  }
  if (state_.epoch != cursor_epoch_)
    if (auto placed = place_cursor(); !placed) return lost_unless_busy(placed.error());
  return with_delivered();
}

Result<void> SqliteStore::connect() {
  open_.reset();
  seen_data_.reset();
  const std::filesystem::path path(path_);
  const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : ".";
  std::error_code error;
  if (!std::filesystem::is_directory(folder, error))
    return {Errc::validation, fmt::format("store: the folder {} does not exist", folder.string())};
  auto connection = SqliteConnection::open(path_, kBusyTimeoutMs);
  if (!connection)
    return {connection.error().code, fmt::format("{} ({})", connection.error().detail, path_)};
  Open opened;
  opened.connection = std::move(connection).value();
  if (auto migrated = migrate_sqlite(opened.connection, config_.store.migrate, path_); !migrated)
    return migrated;
  if (auto entered = enter(opened); !entered) return entered;
  open_.emplace(std::move(opened));
  // Statements and the publisher refer to the connection where it stays from now on.
  if (auto prepared = prepare(*open_); !prepared) {
    open_.reset();
    return prepared;
  }
  const std::uint32_t poll_ms =
      config_.outbox.poll_interval_ms != 0 ? config_.outbox.poll_interval_ms : kPollIntervalMs;
  // SQLite puts the -wal beside the file that a symbolic link points to.
  const auto real = std::filesystem::weakly_canonical(path, error);
  open_->watch = std::make_unique<SqliteWatch>(
      real.parent_path().string(), real.filename().string(), Millis{poll_ms}, SystemClock().now());
  return {};
}

Result<void> SqliteStore::enter(Open& open) {
  auto inode = inode_of_path();
  if (!inode) return inode.error();
  open.inode = std::move(inode).value();
  auto epoch = enter_sqlite(open.connection, {daemon_id_, boot_id_, open.inode});
  if (!epoch) return epoch.error();
  state_.epoch = std::move(epoch).value();
  // Where rows are published without being asked, what is committed is published.
  if (!config_.outbox.continuous)
    return open.connection.execute(
        "insert or ignore into ringcast_meta select 'recorded',"
        " coalesce((select seq from sqlite_sequence where name = 'ringcast_outbox'), 0)");
  const auto marked =
      open.connection.query_integer("select count(*) from ringcast_meta where key = 'recorded'");
  if (!marked) return marked.error();
  if (*marked == 0) return {};
  return open.connection.execute("delete from ringcast_meta where key = 'recorded'");
}

Result<void> SqliteStore::prepare(Open& open) {
  const std::pair<SqliteStatement*, std::string_view> statements[] = {
      {&open.epoch, "select value from ringcast_meta where key = 'epoch'"},
      {&open.recorded, "select cast(value as integer) from ringcast_meta where key = 'recorded'"},
      {&open.rows, kRowsSql},
      {&open.top,
       "select coalesce((select seq from sqlite_sequence where name = 'ringcast_outbox'), 0)"},
      {&open.data_version, "pragma data_version"},
  };
  for (const auto& [statement, sql] : statements) {
    auto prepared = open.connection.prepare(sql);
    if (!prepared) return prepared.error();
    *statement = std::move(prepared).value();
  }
  auto publish = SqlitePublish::prepare(open.connection, config_);
  if (!publish) return publish.error();
  open.publish = std::move(publish).value();
  return {};
}

// Walks back from the last recorded row for as long as rows are young and fit.
Result<void> SqliteStore::place_cursor() {
  const auto transaction =
      SqliteTransaction::begin(open_->connection, SqliteTransaction::Kind::read);
  if (!transaction) return transaction.error();
  const auto recorded = recorded_up_to();
  if (!recorded) return recorded.error();
  const auto last = top_id();
  if (!last) return last.error();
  const Offset top = std::min(*last, *recorded);
  auto back = open_->connection.prepare(
      "select id, payload_bytes, created_at_ms >=  (julianday('now') - 2440587.5) * 86400000 - ?2"
      " from ringcast_outbox where id <= ?1 order by id desc");
  if (!back) return back.error();
  back->bind(1, static_cast<std::int64_t>(top)).bind(2, std::int64_t{history_.count()} * 1'000);
  Offset first = top + 1;
  std::uint64_t bytes = 0;
  for (;;) {
    const auto stepped = back->step();
    if (!stepped) return stepped.error();
    if (*stepped == SqliteStatement::Step::done) break;
    bytes += static_cast<std::uint64_t>(back->integer(1));
    if (back->integer(2) == 0 || bytes > replay_bytes_max_) break;
    first = static_cast<Offset>(back->integer(0));
  }
  cursor_ = first - 1;
  cursor_epoch_ = state_.epoch;
  replay_top_ = top;
  state_.floor = cursor_;
  return {};
}

bool SqliteStore::replaying() const { return cursor_ < replay_top_; }

Result<Offset> SqliteStore::recorded_up_to() {
  const auto stepped = open_->recorded.step();
  if (!stepped) return stepped.error();
  const Offset recorded = *stepped == SqliteStatement::Step::row
                              ? static_cast<Offset>(open_->recorded.integer(0))
                              : kOffsetMax;
  open_->recorded.reset();
  return recorded;
}

// The last id that was ever given, also where its row has been deleted since.
Result<Offset> SqliteStore::top_id() {
  if (const auto stepped = open_->top.step(); !stepped) return stepped.error();
  const Offset top = static_cast<Offset>(open_->top.integer(0));
  open_->top.reset();
  return top;
}

// Whether the cursor still means what it meant.
Result<SqliteStore::Numbering> SqliteStore::numbering() {
  if (const auto stepped = open_->epoch.step(); !stepped) return stepped.error();
  const bool same_epoch = open_->epoch.text(0) == cursor_epoch_;
  open_->epoch.reset();
  if (!same_epoch) return Numbering::new_epoch;
  const auto top = top_id();
  if (!top) return top.error();
  return *top < cursor_ ? Numbering::went_back : Numbering::goes_on;
}

Result<void> SqliteStore::check_numbering() {
  const auto numbers = numbering();
  if (!numbers) return numbers.error();
  switch (*numbers) {
    case Numbering::goes_on:
      return {};
    case Numbering::new_epoch:
      return lost("store: the database has a new epoch");
    case Numbering::went_back:
      return lost("store: the database ends before what was read from it");
  }
  return {};
}

Result<Window> SqliteStore::next(Read read, std::uint32_t limit) {
  // The connection would go on reading a file that has been deleted or replaced.
  const auto inode = inode_of_path();
  if (!inode) return inode.error();
  if (*inode != open_->inode)
    return lost(fmt::format("store: {} is another file than before", path_));
  // Before the read: a commit between the two is then looked for once too often, not once too few.
  const auto seen = data_version();
  Window window;
  if (auto done = read_window(window, read, limit); !done) return lost_unless_busy(done.error());
  seen_data_ = seen;
  cursor_ = window.top;
  // Rows at the end may have been deleted: what is not there need not be replayed.
  if (window.rows.empty()) replay_top_ = cursor_;
  return window;
}

// One transaction: what is checked, read and recorded belongs together.
Result<void> SqliteStore::read_window(Window& window, Read read, std::uint32_t limit) {
  const bool may_record = read != Read::recorded_only && !config_.outbox.continuous;
  auto transaction =
      SqliteTransaction::begin(open_->connection, may_record ? SqliteTransaction::Kind::write
                                                             : SqliteTransaction::Kind::read);
  if (!transaction) return transaction.error();
  if (auto numbered = check_numbering(); !numbered) return numbered;
  const auto recorded = recorded_up_to();
  if (!recorded) return recorded.error();
  const bool records = may_record && cursor_ >= *recorded;
  if (auto rows = read_rows(window, records ? kOffsetMax : *recorded, limit); !rows) return rows;
  failpoint("read");
  window.ours = records || *recorded == kOffsetMax;
  if (records && !window.rows.empty())
    if (auto marked = record(window.top); !marked) return marked;
  if (auto committed = transaction->commit(); !committed) return committed;
  if (!window.rows.empty()) failpoint("record");
  return {};
}

Result<void> SqliteStore::read_rows(Window& window, Offset up_to, std::uint32_t limit) {
  window.top = cursor_;
  SqliteStatement& rows = open_->rows;
  rows.bind(1, static_cast<std::int64_t>(cursor_))
      .bind(2, static_cast<std::int64_t>(up_to))
      .bind(3, std::int64_t{limit} + 1)
      .bind(4, static_cast<std::int64_t>(config_.outbox.envelope_bytes_max));
  const auto memory = std::make_shared<Memory>(kWindowMemoryBytes);
  window.memory = memory;
  std::uint64_t bytes = 0;
  for (;;) {
    const auto stepped = rows.step();
    if (!stepped) return stepped.error();
    if (*stepped == SqliteStatement::Step::done) break;
    const OutboxRow row = row_of(rows, *memory);
    bytes += row.payload.size();
    window.more = window.rows.size() == limit ||
                  (!window.rows.empty() && bytes > config_.outbox.window_bytes_max);
    if (window.more) break;
    window.top = row.offset;
    window.rows.push_back(row);
  }
  rows.reset();
  return {};
}

Result<void> SqliteStore::record(Offset top) {
  auto mark =
      open_->connection.prepare("update ringcast_meta set value = ?1 where key = 'recorded'");
  if (!mark) return mark.error();
  return mark->bind(1, static_cast<std::int64_t>(top)).run();
}

Result<void> SqliteStore::fail(std::span<const FailedRow> rows) {
  if (auto done = fail_sqlite_rows(open_->connection, rows); !done)
    return lost_unless_busy(done.error());
  return {};
}

Result<void> SqliteStore::end_holds(std::span<const EndedHold> ended) {
  if (auto done = end_sqlite_holds(open_->connection, ended); !done)
    return lost_unless_busy(done.error());
  return {};
}

Result<void> SqliteStore::put_back(std::span<const std::int64_t> ids) {
  if (auto done = put_back_sqlite(open_->connection, ids); !done)
    return lost_unless_busy(done.error());
  return {};
}

Result<StoreState> SqliteStore::with_delivered() {
  const auto delivered = delivered_up_to();
  if (!delivered) return lost_unless_busy(delivered.error());
  state_.delivered = *delivered;
  auto poison = open_->connection.prepare(
      "select id from ringcast_failed where reason = 'poison' order by id");
  if (!poison) return lost(poison.error().detail);
  state_.poison.clear();
  for (;;) {
    const auto stepped = poison->step();
    if (!stepped) return lost_unless_busy(stepped.error());
    if (*stepped == SqliteStatement::Step::done) break;
    state_.poison.push_back(poison->integer(0));
  }
  auto held = sqlite_held_rows(open_->connection, state_.floor, state_.delivered);
  if (!held) return lost_unless_busy(held.error());
  state_.held = std::move(held).value();
  return state_;
}

Result<Offset> SqliteStore::delivered_up_to() {
  const auto delivered = open_->connection.query_integer("select delivered from ringcast_progress");
  if (!delivered) return delivered.error();
  return static_cast<Offset>(*delivered);
}

// Rows that could be delivered meanwhile do not wait for an application that writes.
Result<void> SqliteStore::note_delivered(Offset top) {
  open_->connection.wait_at_most(0);
  auto noted = note(top,
                    "update ringcast_progress set delivered = ?1, starts = 0, begun = 0"
                    " where delivered < ?1");
  open_->connection.wait_at_most(kBusyTimeoutMs);
  return noted;
}

Result<void> SqliteStore::note_on_trial(Offset top) {
  return note(top, "update ringcast_progress set delivered = ?1, begun = 0 where delivered < ?1");
}

Result<void> SqliteStore::note(Offset top, std::string_view sql) {
  const auto noted = delivered_up_to();
  if (!noted) return lost_unless_busy(noted.error());
  // Each write wakes every other daemon on this file, so the first one does it for all.
  if (*noted >= top) return {};
  auto note = open_->connection.prepare(sql);
  if (!note) return lost(note.error().detail);
  if (auto run = note->bind(1, static_cast<std::int64_t>(top)).run(); !run)
    return lost_unless_busy(run.error());
  return {};
}

Result<Trial> SqliteStore::begin_trial(Offset delivered) {
  auto count = open_->connection.prepare(
      "update ringcast_progress set starts = starts + 1 where delivered = ?1"
      " returning starts, begun");
  if (!count) return lost(count.error().detail);
  Trial trial;
  for (count->bind(1, static_cast<std::int64_t>(delivered));;) {
    const auto stepped = count->step();
    if (!stepped) return lost_unless_busy(stepped.error());
    if (*stepped == SqliteStatement::Step::done) return trial;
    trial = {static_cast<std::uint32_t>(count->integer(0)),
             static_cast<std::uint32_t>(count->integer(1))};
  }
}

Result<void> SqliteStore::begin_row(Offset delivered) {
  auto count = open_->connection.prepare(
      "update ringcast_progress set begun = begun + 1 where delivered = ?1");
  if (!count) return lost(count.error().detail);
  if (auto run = count->bind(1, static_cast<std::int64_t>(delivered)).run(); !run)
    return lost_unless_busy(run.error());
  return {};
}

Result<void> SqliteStore::take_back(Offset delivered, const Trial& counted) {
  auto take = open_->connection.prepare(
      "update ringcast_progress set starts = max(starts - ?2, 0), begun = max(begun - ?3, 0)"
      " where delivered = ?1");
  if (!take) return lost(take.error().detail);
  take->bind(1, static_cast<std::int64_t>(delivered));
  take->bind(2, std::int64_t{counted.starts}).bind(3, std::int64_t{counted.begun});
  if (auto run = take->run(); !run) return lost_unless_busy(run.error());
  return {};
}

Result<std::vector<Result<Appended>>> SqliteStore::append(std::span<const PlainRow> rows) {
  return open_->publish->append(rows, state_.epoch);
}

Result<bool> SqliteStore::retire() {
  const auto wait_ms = [this](int ms) {
    return open_->connection.execute(fmt::format("pragma busy_timeout={}", ms));
  };
  if (auto set = wait_ms(kRetireTimeoutMs); !set) return lost(set.error().detail);
  auto more = retire_page();
  if (auto set = wait_ms(kBusyTimeoutMs); !set) return lost(set.error().detail);
  // Who writes just now comes first; the rows can wait.
  if (!more && more.error().code == Errc::rate_limited) return false;
  return more;
}

Result<bool> SqliteStore::retire_page() {
  const auto days = std::chrono::days{config_.outbox.retention_days};
  const auto before =
      std::chrono::system_clock::now() - std::max<std::chrono::seconds>(days, history_);
  OldRows which;
  which.before_ms = std::chrono::duration_cast<Millis>(before.time_since_epoch()).count();
  const std::string& folder = config_.outbox.archive_folder;
  auto page = read_old_rows(open_->connection, which, WithLines::no);
  if (!page) return page.error();
  if (page->ids.empty()) return false;
  std::optional<ArchiveFile> file;
  if (!folder.empty()) {
    auto opened = ArchiveFile::open(archive_path(folder, page->day));
    // Another daemon is at it.
    if (!opened && opened.error().code == Errc::conflict) return false;
    if (!opened) return opened.error();
    file.emplace(std::move(opened).value());
    // Now that the file's lock is ours, no other daemon on this folder archives the same rows.
    const std::string day = page->day;
    page = read_old_rows(open_->connection, which, WithLines::yes);
    if (!page) return page.error();
    if (page->day != day) return !page->ids.empty();
    if (auto appended = file->append(page->lines); !appended) return appended.error();
    if (auto synced = file->sync(); !synced) return synced.error();
  }
  if (auto removed = remove_rows(open_->connection, page->ids); !removed) return removed.error();
  return page->more;
}

Result<bool> SqliteStore::is_recorded(Offset offset) {
  const auto recorded = recorded_up_to();
  if (!recorded) return lost(recorded.error().detail);
  if (offset > *recorded || offset > kOffsetMax) return false;
  auto exists =
      open_->connection.prepare("select exists(select 1 from ringcast_outbox where id >= ?1)");
  if (!exists) return lost(exists.error().detail);
  const auto stepped = exists->bind(1, static_cast<std::int64_t>(offset)).step();
  if (!stepped) return lost(stepped.error().detail);
  return exists->integer(0) != 0;
}

Result<Backlog> SqliteStore::backlog() {
  auto count = open_->connection.prepare(
      "select count(*), (select (julianday('now') - 2440587.5) * 86400000 - created_at_ms"
      " from ringcast_outbox where id > ?1 order by id limit 1) from ringcast_outbox"
      " where id > ?1");
  if (!count) return lost(count.error().detail);
  const auto stepped = count->bind(1, static_cast<std::int64_t>(cursor_)).step();
  if (!stepped) return lost(stepped.error().detail);
  Backlog backlog{static_cast<std::uint64_t>(count->integer(0)), std::nullopt};
  if (!count->is_null(1))
    backlog.oldest_seconds =
        static_cast<double>(std::max(std::int64_t{0}, count->integer(1))) / 1'000.0;
  return backlog;
}

// Who else has a transaction open SQLite does not tell.
Result<Trouble> SqliteStore::trouble() {
  auto counts = open_->connection.prepare(
      "select (select count(*) from ringcast_failed where state = 2),"
      " (select count(*) from ringcast_failed where state = 1),"
      " (select count(*) from ringcast_failed where state = 2 and hold_at is not null"
      "  and released is null)");
  if (!counts) return lost(counts.error().detail);
  if (const auto stepped = counts->step(); !stepped) return lost_unless_busy(stepped.error());
  const auto count = [&](int column) {
    return static_cast<std::uint64_t>(counts->integer(column));
  };
  return Trouble{.dead = count(0), .held = count(1), .holds = count(2)};
}

// Changes with each commit of another connection. None: it can not be read, so next() will say why.
std::optional<std::int64_t> SqliteStore::data_version() {
  const auto stepped = open_->data_version.step();
  if (!stepped) return std::nullopt;
  const std::int64_t version = open_->data_version.integer(0);
  open_->data_version.reset();
  return version;
}

Instant SqliteStore::arm(std::vector<pollfd>& fds, Instant now) {
  const Instant until = open_->watch->arm(fds);
  const auto version = data_version();
  return version && version == seen_data_ ? until : now;
}

bool SqliteStore::woke(std::span<const pollfd> fds, Instant now) {
  const bool look = open_->watch->due(fds, now);
  const auto version = data_version();
  if (!version || version != seen_data_) return true;
  if (!look) return false;
  const auto inode = inode_of_path();
  return !inode || *inode != open_->inode;
}

Result<std::unique_ptr<OutboxStore>> make_sqlite_store(const Config& config) {
  auto path = sqlite_path(config.store.url);
  if (!path) return path.error();
  std::unique_ptr<OutboxStore> store =
      std::make_unique<SqliteStore>(config, std::move(path).value(), boot_id_of_kernel());
  return store;
}

}  // namespace ringcast
