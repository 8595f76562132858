// One connection to PostgreSQL, on which every call ends within its deadline.
#pragma once

#include <libpq-fe.h>

#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "pg/params.hpp"
#include "pg/rows.hpp"

namespace ringcast::pg {

// How long a call may take before the connection counts as lost. The server ends a statement after
// 10 s itself (statement_timeout); the client's limit is for a server that no longer answers.
struct Timeouts {
  Millis connect{5'000};
  Millis statement{12'000};
};

// A statement that is prepared on a connection at its first use. `name` is unique for its text.
struct Statement {
  std::string name;
  std::string sql;
};

struct Notification {
  std::string channel;
  std::string payload;
};

// Owns the PGconn. Every call is libpq's non-blocking form plus poll(), so that a hung server costs
// a bounded time; a connection that missed a deadline is closed, because what it would answer later
// belongs to no question any more.
//
// Thread: outbox. Lives from a connect to the loss of the connection, then is replaced as a whole.
// Errors: `unavailable` for all that another try may mend; unauthorized, forbidden, not_found and
// validation for what the operator must mend. Details hold no secrets.
class Connection final {
 public:
  // PQconnectStartParams, PQconnectPoll. `url` is a libpq URL; only a server that accepts writes is
  // taken. Sets up the session as the window read needs it.
  static Result<Connection> open(const std::string& url, std::string_view application_name,
                                 const Timeouts& timeouts);

  // PQsendQuery: any number of statements, nothing comes back.
  Result<void> run(const std::string& sql);
  // PQsendQueryParams: one statement, once.
  Result<Rows> query(const std::string& sql, const Params& params = {});
  // PQsendPrepare, unless it was prepared before.
  Result<void> prepare(const Statement& statement);
  // prepare(), then PQsendQueryPrepared.
  Result<Rows> execute(const Statement& statement, const Params& params);

  // Sends a prepared statement and does not wait: the server works on it while the caller does
  // something else. Each is a transaction of its own. What was sent is answered in its order, one
  // receive() each. The calls above may come in between: the answers then wait in memory.
  Result<void> send_ahead(const Statement& statement, const Params& params);
  Result<Rows> receive();
  // Drops the answers that nobody has received.
  Result<void> drop_ahead();
  // Takes what the server has sent by now, without waiting, so that it does not wait for us.
  Result<void> take_input();

  // DEALLOCATE ALL.
  Result<void> forget_statements();

  // PQconsumeInput, PQnotifies: what has arrived, without waiting.
  Result<std::vector<Notification>> take_notifications();

  [[nodiscard]] int socket() const { return PQsocket(connection_.get()); }
  [[nodiscard]] int server_version() const { return PQserverVersion(connection_.get()); }
  [[nodiscard]] bool usable() const { return PQstatus(connection_.get()) == CONNECTION_OK; }
  // SQLSTATE of the last error that the server reported, else empty.
  [[nodiscard]] const std::string& last_sqlstate() const { return last_sqlstate_; }
  [[nodiscard]] std::string describe() const;  // host, port, database, user

 private:
  struct Finish {
    void operator()(PGconn* connection) const { PQfinish(connection); }
  };
  Connection(PGconn* connection, const Timeouts& timeouts)
      : connection_(connection), timeouts_(timeouts) {}

  Result<void> set_up_session();
  Result<void> settle();
  Result<void> wait_for_result(Instant deadline);
  Result<Rows> collect(Instant deadline);
  Result<Rows> collect_ahead(Instant deadline);
  Error failed(const PGresult* result);
  Error lost(std::string why);

  std::unique_ptr<PGconn, Finish> connection_;
  Timeouts timeouts_;
  std::unordered_set<std::string> prepared_;
  std::string last_sqlstate_;

  struct Answer {
    Result<Rows> rows;
    std::string sqlstate;
  };
  std::size_t awaited_ = 0;      // statements sent ahead, answers not taken off the connection
  std::deque<Answer> received_;  // taken off for another statement's sake; before the awaited ones
};

}  // namespace ringcast::pg
