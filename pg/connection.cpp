#include "pg/connection.hpp"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/ensure.hpp"
#include "pg/sqlstate.hpp"

namespace ringcast::pg {

namespace {

constexpr int kServerVersionMin = 130000;

Instant now() { return SystemClock{}.now(); }

enum class Ready { yes, deadline };

// A signal only makes the wait start again with what is left of it.
Ready wait_for(int fd, short events, Instant deadline) {
  for (;;) {
    const auto left = std::chrono::ceil<Millis>(deadline - now());
    if (left.count() <= 0) return Ready::deadline;
    pollfd entry{.fd = fd, .events = events, .revents = 0};
    if (poll(&entry, 1, static_cast<int>(left.count())) > 0) return Ready::yes;
  }
}

std::string_view value_of(const char* text) { return text != nullptr ? text : ""; }

std::string one_line(std::string_view text) {
  std::string line(text);
  std::replace_if(
      line.begin(), line.end(), [](char c) { return c == '\n' || c == '\t'; }, ' ');
  while (line.ends_with(' ')) line.pop_back();
  return line;
}

// Why no connection came about, without libpq's text where that could repeat parts of the URL.
Error refused(const PGconn* connection) {
  const std::string text = one_line(PQerrorMessage(connection));
  if (const std::string code = sqlstate_in(text); !code.empty())
    return {errc_of(code), "PostgreSQL: " + connect_sentence(code)};
  // libpq's own finding, by target_session_attrs.
  if (text.find("session is read-only") != std::string::npos ||
      text.find("server is in hot standby mode") != std::string::npos)
    return {Errc::unavailable, "PostgreSQL: " + connect_sentence("25006")};
  if (PQconnectionNeedsPassword(connection) != 0)
    return {Errc::unauthorized,
            "PostgreSQL: the server asks for a password and store.url has none"};
  return {Errc::unavailable, "PostgreSQL: " + text};
}

// Later keywords win over the URL: what the window read relies on comes last.
constexpr std::array kKeywords = {
    "keepalives_idle", "keepalives_interval", "keepalives_count",     "tcp_user_timeout",
    "dbname",          "application_name",    "target_session_attrs", "client_encoding"};

}  // namespace

Result<Connection> Connection::open(const std::string& url, std::string_view application_name,
                                    const Timeouts& timeouts) {
  // libpq's own text about a URL that it can not read quotes it, and with it the password.
  PQconninfoOption* options = PQconninfoParse(url.c_str(), nullptr);
  if (options == nullptr)
    return Error{Errc::validation,
                 "store.url is not a PostgreSQL URL; special characters in user and password "
                 "must be percent-encoded"};
  PQconninfoFree(options);

  const std::string name(application_name);
  std::array<const char*, kKeywords.size() + 1> keywords{};
  std::copy(kKeywords.begin(), kKeywords.end(), keywords.begin());
  const std::array<const char*, kKeywords.size() + 1> values = {
      "10", "5", "3", "15000", url.c_str(), name.c_str(), "read-write", "UTF8", nullptr};

  const Instant deadline = now() + timeouts.connect;
  Connection made(PQconnectStartParams(keywords.data(), values.data(), 1), timeouts);
  PGconn* raw = made.connection_.get();
  if (raw == nullptr) return Error{Errc::unavailable, "PostgreSQL: out of memory"};
  PQsetErrorVerbosity(raw, PQERRORS_SQLSTATE);
  // Notices of the migration ("already exists, skipping") are not for standard error.
  PQsetNoticeProcessor(
      raw, [](void*, const char*) {}, nullptr);

  for (auto state = PGRES_POLLING_WRITING; state != PGRES_POLLING_OK;) {
    if (PQstatus(raw) == CONNECTION_BAD || state == PGRES_POLLING_FAILED) return refused(raw);
    const short events = state == PGRES_POLLING_READING ? POLLIN : POLLOUT;
    if (wait_for(PQsocket(raw), events, deadline) == Ready::deadline)
      return Error{Errc::unavailable,
                   fmt::format("PostgreSQL: no connection within {} ms", timeouts.connect.count())};
    state = PQconnectPoll(raw);
  }
  PQsetErrorVerbosity(raw, PQERRORS_DEFAULT);
  if (made.server_version() < kServerVersionMin)
    return Error{Errc::validation,
                 fmt::format("PostgreSQL 13 or newer is needed, this server is version {}",
                             made.server_version() / 10'000)};
  if (PQsetnonblocking(raw, 1) != 0) return made.lost("no non-blocking mode");
  if (auto ready = made.set_up_session(); !ready) return ready.error();
  return made;
}

Result<void> Connection::set_up_session() {
  // synchronous_commit: a window is on disk before it is delivered, whatever the database's
  // default. enable_seqscan, plan_cache_mode, jit: one plan, the index's, made once.
  // tcp_user_timeout, lock_timeout: a daemon that stands still must not hold a window for others.
  std::string sql =
      "set synchronous_commit = on; set plan_cache_mode = force_generic_plan;"
      "set enable_seqscan = off; set enable_bitmapscan = off; set enable_sort = off; set jit = "
      "off; set lock_timeout = '2s';"
      "set statement_timeout = '10s'; set idle_in_transaction_session_timeout = '30s';"
      "set tcp_user_timeout = '5s'; set timezone = 'UTC'; set search_path = pg_catalog;"
      "set default_transaction_isolation = 'read committed'";
  if (server_version() >= 140000) sql += "; set idle_session_timeout = 0";
  if (auto set = run(sql); !set) return set;
  auto recovery = query("select pg_is_in_recovery()");
  if (!recovery) return recovery.error();
  // A standby's snapshots name no transaction in progress: a window read there would lose rows.
  if (recovery->flag(0, 0))
    return Error{Errc::unavailable, "PostgreSQL: the server is a standby: a primary is needed"};
  return {};
}

Result<void> Connection::run(const std::string& sql) {
  if (auto settled = settle(); !settled) return settled;
  if (PQsendQuery(connection_.get(), sql.c_str()) != 1) return lost("the statement was not sent");
  auto rows = collect(now() + timeouts_.statement);
  if (!rows) return rows.error();
  return {};
}

Result<Rows> Connection::query(const std::string& sql, const Params& params) {
  if (auto settled = settle(); !settled) return settled.error();
  const auto view = params.view();
  if (PQsendQueryParams(connection_.get(), sql.c_str(), params.count(), nullptr, view.values.data(),
                        view.lengths.data(), view.formats.data(), 1) != 1)
    return lost("the statement was not sent");
  return collect(now() + timeouts_.statement);
}

Result<void> Connection::prepare(const Statement& statement) {
  if (prepared_.contains(statement.name)) return {};
  if (auto settled = settle(); !settled) return settled;
  if (PQsendPrepare(connection_.get(), statement.name.c_str(), statement.sql.c_str(), 0, nullptr) !=
      1)
    return lost("the statement was not sent");
  if (auto done = collect(now() + timeouts_.statement); !done) return done.error();
  prepared_.insert(statement.name);
  return {};
}

Result<Rows> Connection::execute(const Statement& statement, const Params& params) {
  if (auto settled = settle(); !settled) return settled.error();
  if (auto ready = prepare(statement); !ready) return ready.error();
  const auto view = params.view();
  if (PQsendQueryPrepared(connection_.get(), statement.name.c_str(), params.count(),
                          view.values.data(), view.lengths.data(), view.formats.data(), 1) != 1)
    return lost("the statement was not sent");
  return collect(now() + timeouts_.statement);
}

Result<void> Connection::send_ahead(const Statement& statement, const Params& params) {
  if (auto ready = prepare(statement); !ready) return ready;
  PGconn* raw = connection_.get();
  if (PQenterPipelineMode(raw) != 1) return lost("no pipeline mode");
  const auto view = params.view();
  if (PQsendQueryPrepared(raw, statement.name.c_str(), params.count(), view.values.data(),
                          view.lengths.data(), view.formats.data(), 1) != 1 ||
      PQpipelineSync(raw) != 1 || PQflush(raw) < 0)
    return lost("the statement was not sent");
  ++awaited_;
  return {};
}

Result<Rows> Connection::receive() {
  if (!connection_) return lost("nothing can be received any more");
  ensure(awaited_ != 0 || !received_.empty(), "an answer to a statement that was sent");
  if (!received_.empty()) {
    Answer answer = std::move(received_.front());
    received_.pop_front();
    last_sqlstate_ = std::move(answer.sqlstate);
    return std::move(answer.rows);
  }
  return collect_ahead(now() + timeouts_.statement);
}

Result<void> Connection::drop_ahead() {
  if (auto settled = settle(); !settled) return settled;
  received_.clear();
  return {};
}

Result<void> Connection::take_input() {
  if (awaited_ == 0) return {};
  PGconn* raw = connection_.get();
  if (PQconsumeInput(raw) != 1) return lost(one_line(PQerrorMessage(raw)));
  // Takes the rows out of libpq's buffer, which otherwise grows by copying itself.
  static_cast<void>(PQisBusy(raw));
  return {};
}

// Statements that are not sent ahead need the connection to themselves.
Result<void> Connection::settle() {
  if (PQpipelineStatus(connection_.get()) == PQ_PIPELINE_OFF) return {};
  const Instant deadline = now() + timeouts_.statement;
  while (awaited_ != 0) {
    auto rows = collect_ahead(deadline);
    if (!connection_) return rows.error();
    received_.push_back({std::move(rows), last_sqlstate_});
  }
  if (PQexitPipelineMode(connection_.get()) != 1) return lost("no end of the pipeline");
  return {};
}

Result<void> Connection::forget_statements() {
  prepared_.clear();
  return run("deallocate all");
}

Result<std::vector<Notification>> Connection::take_notifications() {
  if (PQconsumeInput(connection_.get()) != 1)
    return lost(one_line(PQerrorMessage(connection_.get())));
  std::vector<Notification> out;
  while (PGnotify* notify = PQnotifies(connection_.get())) {
    out.push_back({notify->relname, notify->extra});
    PQfreemem(notify);
  }
  return out;
}

Result<void> Connection::wait_for_result(Instant deadline) {
  PGconn* raw = connection_.get();
  int unsent = PQflush(raw);
  while (unsent == 1 || PQisBusy(raw) != 0) {
    const short events = unsent == 1 ? POLLIN | POLLOUT : POLLIN;
    if (wait_for(PQsocket(raw), events, deadline) == Ready::deadline)
      return lost("no answer within the time limit");
    if (PQconsumeInput(raw) != 1) return lost(one_line(PQerrorMessage(raw)));
    if (unsent == 1) unsent = PQflush(raw);
  }
  return {};
}

// The last result of what was sent, or the first error. Everything must be taken off before the
// connection accepts the next statement.
Result<Rows> Connection::collect(Instant deadline) {
  Rows last;
  std::optional<Error> error;
  last_sqlstate_.clear();
  for (;;) {
    if (auto ready = wait_for_result(deadline); !ready) return ready.error();
    PGresult* result = PQgetResult(connection_.get());
    if (result == nullptr) break;
    Rows rows(result);
    const ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK && status != PGRES_EMPTY_QUERY &&
        !error)
      error = failed(result);
    last = std::move(rows);
  }
  if (error) return *std::move(error);
  return last;
}

// The answer to the oldest statement that was sent ahead: its result, an end, and the sync's
// result.
Result<Rows> Connection::collect_ahead(Instant deadline) {
  Rows rows;
  std::optional<Error> error;
  last_sqlstate_.clear();
  for (;;) {
    if (auto ready = wait_for_result(deadline); !ready) return ready.error();
    PGresult* result = PQgetResult(connection_.get());
    if (result == nullptr) {
      if (!usable()) return lost(one_line(PQerrorMessage(connection_.get())));
      continue;
    }
    Rows one(result);
    const ExecStatusType status = PQresultStatus(result);
    if (status == PGRES_PIPELINE_SYNC) break;
    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK)
      rows = std::move(one);
    else if (!error)
      error = failed(result);
    if (!connection_) return *std::move(error);
  }
  --awaited_;
  if (error) return *std::move(error);
  return rows;
}

Error Connection::failed(const PGresult* result) {
  last_sqlstate_ = value_of(PQresultErrorField(result, PG_DIAG_SQLSTATE));
  // The primary text only: DETAIL and CONTEXT repeat values of the row.
  std::string text(value_of(PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY)));
  if (last_sqlstate_.empty()) return lost(one_line(PQresultErrorMessage(result)));
  return {errc_of(last_sqlstate_),
          fmt::format("PostgreSQL: {} (SQLSTATE {})", one_line(text), last_sqlstate_)};
}

Error Connection::lost(std::string why) {
  last_sqlstate_.clear();
  Error error{Errc::unavailable, "PostgreSQL: the connection is lost: " + std::move(why)};
  connection_.reset();
  awaited_ = 0;
  received_.clear();
  return error;
}

std::string Connection::describe() const {
  const PGconn* raw = connection_.get();
  return fmt::format("postgresql://{}@{}:{}/{}", value_of(PQuser(raw)), value_of(PQhost(raw)),
                     value_of(PQport(raw)), value_of(PQdb(raw)));
}

}  // namespace ringcast::pg
