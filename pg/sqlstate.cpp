#include "pg/sqlstate.hpp"

#include <algorithm>
#include <array>
#include <cctype>

namespace ringcast::pg {

namespace {

struct ConnectRow {
  std::string_view sqlstate;
  std::string_view sentence;
};

constexpr std::array<ConnectRow, 9> kConnectRows = {{
    {"28P01", "the server refuses the user or the password of store.url"},
    {"28000",
     "the server has no rule in pg_hba.conf for this user, database and address, or the "
     "role may not log in"},
    {"3D000", "the database of store.url does not exist"},
    {"42501", "the role of store.url may not connect to the database"},
    {"53300", "the server has no connection left"},
    {"57P03", "the server is starting or stopping"},
    {"57P01", "the server is stopping"},
    {"25006", "the server is a standby or read-only: a primary is needed"},
    {"55000", "the database does not accept connections"},
}};

constexpr std::size_t kSqlstateLength = 5;

bool is_code_character(char c) {
  return std::isdigit(static_cast<unsigned char>(c)) != 0 || (c >= 'A' && c <= 'Z');
}

}  // namespace

Errc errc_of(std::string_view sqlstate) {
  const std::string_view group = sqlstate.substr(0, 2);
  if (group == "28") return Errc::unauthorized;
  if (sqlstate == "42501") return Errc::forbidden;
  if (sqlstate == "3D000") return Errc::not_found;
  if (group == "42" || group == "3F" || group == "22" || group == "23") return Errc::validation;
  return Errc::unavailable;
}

std::string sqlstate_in(std::string_view libpq_text) {
  // With several hosts there are several lines; the last one is what ended the attempt.
  for (std::size_t at = libpq_text.rfind(":  "); at != std::string_view::npos;
       at = at == 0 ? std::string_view::npos : libpq_text.rfind(":  ", at - 1)) {
    const std::string_view code = libpq_text.substr(at + 3, kSqlstateLength);
    if (code.size() == kSqlstateLength && std::all_of(code.begin(), code.end(), is_code_character))
      return std::string(code);
  }
  return {};
}

std::string connect_sentence(std::string_view sqlstate) {
  const auto row = std::find_if(kConnectRows.begin(), kConnectRows.end(),
                                [&](const ConnectRow& r) { return r.sqlstate == sqlstate; });
  if (row != kConnectRows.end()) return std::string(row->sentence);
  return "the server refuses the connection (SQLSTATE " + std::string(sqlstate) + ")";
}

bool is_bad_value(std::string_view sqlstate) {
  return sqlstate.starts_with("22") || sqlstate.starts_with("23");
}

}  // namespace ringcast::pg
