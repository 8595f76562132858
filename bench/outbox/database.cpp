#include "outbox/database.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <fstream>
#include <vector>

namespace ringcast::bench {

Result<Database> Database::connect(const std::string& url) {
  Database database(PQconnectdb(url.c_str()));
  PQsetNoticeProcessor(
      database.connection_.get(), [](void*, const char*) {}, nullptr);
  if (PQstatus(database.connection_.get()) == CONNECTION_OK) return database;
  return Error{Errc::unavailable,
               fmt::format("PostgreSQL: {}", PQerrorMessage(database.connection_.get()))};
}

Result<Database> Database::hold_snapshot(const std::string& url) {
  auto database = connect(url);
  if (!database) return database;
  if (auto begun = database->run("begin isolation level repeatable read; select 1"); !begun)
    return begun.error();
  return database;
}

Result<Database::Answer> Database::run(const std::string& sql) {
  return checked(PQexec(connection_.get(), sql.c_str()));
}

Result<void> Database::prepare(const char* name, const std::string& sql) {
  auto done = checked(PQprepare(connection_.get(), name, sql.c_str(), 0, nullptr));
  if (!done) return done.error();
  return {};
}

Result<Database::Answer> Database::execute(const char* name,
                                           std::initializer_list<std::string_view> parameters) {
  return execute(name, parameters, 0);
}

Result<Database::Answer> Database::execute_binary(
    const char* name, std::initializer_list<std::string_view> parameters) {
  return execute(name, parameters, 1);
}

Result<Database::Answer> Database::execute(const char* name,
                                           std::initializer_list<std::string_view> parameters,
                                           int format) {
  const std::vector<std::string> texts(parameters.begin(), parameters.end());
  std::vector<const char*> values;
  for (const std::string& text : texts) values.push_back(text.c_str());
  return checked(PQexecPrepared(connection_.get(), name, static_cast<int>(values.size()),
                                values.data(), nullptr, nullptr, format));
}

Result<std::uint64_t> Database::number(const std::string& sql) {
  auto answer = run(sql);
  if (!answer) return answer.error();
  if (PQntuples(answer->get()) != 1) return Error{Errc::unavailable, "no row: " + sql};
  return std::strtoull(PQgetvalue(answer->get(), 0, 0), nullptr, 10);
}

Result<pid_t> Database::server_process() {
  std::ifstream status(fmt::format("/proc/{}/status", PQbackendPID(connection_.get())));
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("PPid:")) return static_cast<pid_t>(std::atoi(line.c_str() + 5));
  return Error{Errc::unavailable, "PostgreSQL does not run on this machine"};
}

Result<Database::Answer> Database::checked(PGresult* result) {
  Answer answer(result);
  const auto status = PQresultStatus(result);
  if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_COPY_OUT)
    return answer;
  return Error{Errc::unavailable, fmt::format("PostgreSQL: {}", PQerrorMessage(connection_.get()))};
}

std::string_view cell(const Database::Answer& answer, int row, int column) {
  return {PQgetvalue(answer.get(), row, column),
          static_cast<std::size_t>(PQgetlength(answer.get(), row, column))};
}

}  // namespace ringcast::bench
