// A connection to PostgreSQL for the benchmarks' own statements.
#pragma once

#include <libpq-fe.h>

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace ringcast::bench {

// Blocking. Thread: its owner's.
class Database {
 public:
  struct Clear {
    void operator()(PGresult* result) const { PQclear(result); }
  };
  using Answer = std::unique_ptr<PGresult, Clear>;

  static Result<Database> connect(const std::string& url);
  // A session whose snapshot stays open as long as the object lives: vacuum may not remove what
  // became old since.
  static Result<Database> hold_snapshot(const std::string& url);

  // One statement, or several without parameters.
  Result<Answer> run(const std::string& sql);
  Result<void> prepare(const char* name, const std::string& sql);
  // Parameters as text.
  Result<Answer> execute(const char* name, std::initializer_list<std::string_view> parameters);
  Result<Answer> execute_binary(const char* name,
                                std::initializer_list<std::string_view> parameters);
  Result<std::uint64_t> number(const std::string& sql);
  // The parent of all its processes.
  Result<pid_t> server_process();

  [[nodiscard]] PGconn* connection() const { return connection_.get(); }

 private:
  struct Finish {
    void operator()(PGconn* connection) const { PQfinish(connection); }
  };
  explicit Database(PGconn* connection) : connection_(connection) {}
  Result<Answer> execute(const char* name, std::initializer_list<std::string_view> parameters,
                         int format);
  Result<Answer> checked(PGresult* result);
  std::unique_ptr<PGconn, Finish> connection_;
};

// The octets of a cell.
[[nodiscard]] std::string_view cell(const Database::Answer& answer, int row, int column);

}  // namespace ringcast::bench
