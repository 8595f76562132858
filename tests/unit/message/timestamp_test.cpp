#include "message/timestamp.hpp"

#include <gtest/gtest.h>

namespace ringcast {
namespace {

struct Case {
  std::string_view text;
  std::string_view shown;  // empty: refused
};
constexpr Case kCases[] = {
    {"2026-01-02T03:04:05.678901Z", "2026-01-02T03:04:05.678901Z"},
    {"2026-01-02T03:04:05Z", "2026-01-02T03:04:05.000000Z"},
    {"2026-01-02t03:04:05z", "2026-01-02T03:04:05.000000Z"},
    {"2026-01-02T03:04:05.6Z", "2026-01-02T03:04:05.600000Z"},
    {"2026-01-02T03:04:05.1234569Z", "2026-01-02T03:04:05.123456Z"},
    {"2026-01-02T03:04:05.99999999999999999999Z", "2026-01-02T03:04:05.999999Z"},
    {"2026-01-02T03:04:05+02:00", "2026-01-02T01:04:05.000000Z"},
    {"2026-01-02T03:04:05-05:30", "2026-01-02T08:34:05.000000Z"},
    {"2026-01-01T00:00:00+00:01", "2025-12-31T23:59:00.000000Z"},
    {"2026-01-02T03:04:05-00:00", "2026-01-02T03:04:05.000000Z"},
    {"2026-01-02 03:04:05+02", "2026-01-02T01:04:05.000000Z"},
    {"2026-01-02 03:04:05", "2026-01-02T03:04:05.000000Z"},
    {"2026-01-02 03:04:05.678", "2026-01-02T03:04:05.678000Z"},
    {"2024-02-29T00:00:00Z", "2024-02-29T00:00:00.000000Z"},
    {"2000-02-29T00:00:00Z", "2000-02-29T00:00:00.000000Z"},
    {"1969-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999999Z"},
    {"2016-12-31T23:59:60Z", "2017-01-01T00:00:00.000000Z"},
    {"0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000Z"},
    {"9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"},
    {"2026-01-02T23:59:59+23:59", "2026-01-02T00:00:59.000000Z"},
    {"0000-01-01T00:00:00Z", ""},
    {"0001-01-01T00:00:00+00:01", ""},  // before the year 1 in UTC
    {"9999-12-31T23:59:60Z", ""},       // after the year 9999
    {"9999-12-31T23:59:59-00:01", ""},
    {"2026-02-29T00:00:00Z", ""},
    {"1900-02-29T00:00:00Z", ""},
    {"2026-00-01T00:00:00Z", ""},
    {"2026-13-01T00:00:00Z", ""},
    {"2026-01-00T00:00:00Z", ""},
    {"2026-01-32T00:00:00Z", ""},
    {"2026-04-31T00:00:00Z", ""},
    {"2026-01-02T24:00:00Z", ""},
    {"2026-01-02T00:60:00Z", ""},
    {"2026-01-02T00:00:61Z", ""},
    {"2026-01-02T03:04:05+24:00", ""},
    {"2026-01-02T03:04:05+00:60", ""},
    {"2026-01-02T03:04:05+0200", ""},
    {"2026-01-02T03:04:05+2", ""},
    {"2026-01-02T03:04:05", ""},
    {"2026-01-02T03:04:05.Z", ""},
    {"2026-01-02T03:04:05,5Z", ""},
    {"2026-01-02T03:04Z", ""},
    {"2026-01-02", ""},
    {"2026-1-2T03:04:05Z", ""},
    {"20260102T030405Z", ""},
    {"+2026-01-02T03:04:05Z", ""},
    {"-026-01-02T03:04:05Z", ""},
    {"2026-01-02T03:04:05Z ", ""},
    {" 2026-01-02T03:04:05Z", ""},
    {"2026-01-02T03:04:05ZZ", ""},
    {"2026-01-02T-3:04:05Z", ""},
    {"", ""},
};

TEST(Timestamp, IsReadAsRfc3339AndShownWithSixDigits) {
  for (const auto& [text, shown] : kCases) {
    const auto time = parse_timestamp(text);
    ASSERT_EQ(time.has_value(), !shown.empty()) << text;
    if (time) {
      EXPECT_EQ(timestamp(*time), shown) << text;
    }
  }
}

TEST(Timestamp, IsRefusedWhenCutAnywhere) {
  const std::string_view text = "2026-01-02T03:04:05+02:00";
  for (std::size_t length = 0; length < text.size(); ++length) {
    if (length == text.size() - 3) continue;  // "+02" is an offset, as PostgreSQL writes it
    EXPECT_FALSE(parse_timestamp(text.substr(0, length))) << text.substr(0, length);
  }
}

TEST(Timestamp, ComesBackForEveryDay) {
  using namespace std::chrono;
  for (auto day = sys_days{year{1890} / 1 / 1}; day < sys_days{year{2110} / 1 / 1};
       day += days{1}) {
    const WallTime time = WallTime{day} + hours{13} + microseconds{987'654};
    ASSERT_EQ(parse_timestamp(timestamp(time)), time) << timestamp(time);
  }
}

TEST(Timestamp, IsAppendedToWhatStandsThere) {
  std::string out = "at ";
  append_timestamp(out, WallTime{});
  EXPECT_EQ(out, "at 1970-01-01T00:00:00.000000Z");
}

}  // namespace
}  // namespace ringcast
