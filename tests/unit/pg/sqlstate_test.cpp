#include "pg/sqlstate.hpp"

#include <gtest/gtest.h>

namespace ringcast::pg {
namespace {

TEST(Sqlstate, TellsWhatAnotherTryMayMendFromWhatAnOperatorMust) {
  const struct {
    const char* sqlstate;
    Errc code;
  } cases[] = {
      {"28P01", Errc::unauthorized}, {"28000", Errc::unauthorized}, {"42501", Errc::forbidden},
      {"3D000", Errc::not_found},    {"42P01", Errc::validation},   {"3F000", Errc::validation},
      {"22021", Errc::validation},   {"23505", Errc::validation},   {"57P01", Errc::unavailable},
      {"57014", Errc::unavailable},  {"40P01", Errc::unavailable},  {"55P03", Errc::unavailable},
      {"53300", Errc::unavailable},  {"25006", Errc::unavailable},  {"08006", Errc::unavailable},
      {"XX000", Errc::unavailable},  {"", Errc::unavailable},
  };
  for (const auto& [sqlstate, code] : cases) EXPECT_EQ(errc_of(sqlstate), code) << sqlstate;
}

TEST(Sqlstate, IsFoundInTheTextOfAFailedConnection) {
  const struct {
    const char* text;
    const char* sqlstate;
  } cases[] = {
      {"connection to server at \"h\" (::1), port 5432 failed: FATAL:  28P01", "28P01"},
      {"FATAL:  28P01 connection to server failed: FATAL:  3D000 ", "3D000"},
      {"FATAL:  3d000", ""},
      {"FATAL:  3D00", ""},
      {"connection refused", ""},
      {":  ", ""},
      {"", ""},
  };
  for (const auto& [text, sqlstate] : cases) EXPECT_EQ(sqlstate_in(text), sqlstate) << text;
}

TEST(Sqlstate, OfARowsValueIsADataErrorOrABrokenConstraint) {
  EXPECT_TRUE(is_bad_value("22021"));
  EXPECT_TRUE(is_bad_value("23514"));
  EXPECT_FALSE(is_bad_value("42501"));
  EXPECT_FALSE(is_bad_value(""));
}

}  // namespace
}  // namespace ringcast::pg
