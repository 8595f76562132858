#include "message/timestamp.hpp"

#include <array>
#include <chrono>

namespace ringcast {

namespace {

// Writes `value` with leading zeros over [to, to + digits).
void put_number(char* to, std::size_t digits, std::uint64_t value) {
  for (char* at = to + digits; at != to; value /= 10) *--at = static_cast<char>('0' + value % 10);
}

// Reads exactly `digits` digits from the front of `text` and takes them off.
std::optional<int> take_number(std::string_view& text, std::size_t digits) {
  if (text.size() < digits) return std::nullopt;
  int value = 0;
  for (std::size_t i = 0; i < digits; ++i) {
    if (text[i] < '0' || text[i] > '9') return std::nullopt;
    value = value * 10 + (text[i] - '0');
  }
  text.remove_prefix(digits);
  return value;
}

bool take(std::string_view& text, std::string_view one_of) {
  if (text.empty() || one_of.find(text.front()) == std::string_view::npos) return false;
  text.remove_prefix(1);
  return true;
}

std::optional<std::chrono::microseconds> take_fraction(std::string_view& text) {
  if (!take(text, ".")) return std::chrono::microseconds{0};
  std::int64_t micros = 0;
  std::size_t digits = 0;
  while (!text.empty() && text.front() >= '0' && text.front() <= '9') {
    if (digits < 6) micros = micros * 10 + (text.front() - '0');
    ++digits;
    text.remove_prefix(1);
  }
  if (digits == 0) return std::nullopt;
  for (; digits < 6; ++digits) micros *= 10;
  return std::chrono::microseconds{micros};
}

std::optional<std::chrono::minutes> take_zone(std::string_view& text, bool may_be_missing) {
  if (text.empty() && may_be_missing) return std::chrono::minutes{0};
  if (take(text, "Zz")) return std::chrono::minutes{0};
  if (text.empty() || (text.front() != '+' && text.front() != '-')) return std::nullopt;
  const int sign = text.front() == '-' ? -1 : 1;
  text.remove_prefix(1);
  const auto hours = take_number(text, 2);
  if (!hours || *hours > 23) return std::nullopt;
  int minutes = 0;
  if (!text.empty()) {
    if (!take(text, ":")) return std::nullopt;
    const auto parsed = take_number(text, 2);
    if (!parsed || *parsed > 59) return std::nullopt;
    minutes = *parsed;
  }
  return std::chrono::minutes{sign * (*hours * 60 + minutes)};
}

}  // namespace

void append_timestamp(std::string& out, WallTime time) {
  using namespace std::chrono;
  const auto day = floor<days>(time);
  const year_month_day date{day};
  const hh_mm_ss clock{time - day};
  // Not by a format string: that took a third of a publish.
  std::array<char, 27> text{"0000-00-00T00:00:00.000000"};
  const auto put = [&text](std::size_t at, std::size_t digits, auto value) {
    put_number(text.data() + at, digits, static_cast<std::uint64_t>(value));
  };
  put(0, 4, static_cast<int>(date.year()));
  put(5, 2, static_cast<unsigned>(date.month()));
  put(8, 2, static_cast<unsigned>(date.day()));
  put(11, 2, clock.hours().count());
  put(14, 2, clock.minutes().count());
  put(17, 2, clock.seconds().count());
  put(20, 6, duration_cast<microseconds>(clock.subseconds()).count());
  text.back() = 'Z';
  out.append(text.data(), text.size());
}

std::string timestamp(WallTime time) {
  std::string out;
  append_timestamp(out, time);
  return out;
}

std::optional<WallTime> parse_timestamp(std::string_view text) {
  using namespace std::chrono;
  const auto y = take_number(text, 4);
  if (!y || *y == 0 || !take(text, "-")) return std::nullopt;
  const auto m = take_number(text, 2);
  if (!m || !take(text, "-")) return std::nullopt;
  const auto d = take_number(text, 2);
  if (!d) return std::nullopt;
  const bool sqlite_form = !text.empty() && text.front() == ' ';
  if (!take(text, "Tt ")) return std::nullopt;
  const auto hour = take_number(text, 2);
  if (!hour || *hour > 23 || !take(text, ":")) return std::nullopt;
  const auto minute = take_number(text, 2);
  if (!minute || *minute > 59 || !take(text, ":")) return std::nullopt;
  const auto second = take_number(text, 2);
  if (!second || *second > 60) return std::nullopt;
  const auto fraction = take_fraction(text);
  if (!fraction) return std::nullopt;
  const auto zone = take_zone(text, sqlite_form);
  if (!zone || !text.empty()) return std::nullopt;
  const year_month_day date{year{*y}, month{static_cast<unsigned>(*m)},
                            day{static_cast<unsigned>(*d)}};
  if (!date.ok()) return std::nullopt;
  const WallTime time = WallTime{sys_days{date}} + hours{*hour} + minutes{*minute} +
                        seconds{*second} + *fraction - *zone;
  // The offset may lead out of the years that can be written with four digits.
  if (time < sys_days{year{1} / 1 / 1} || time >= sys_days{year{10'000} / 1 / 1})
    return std::nullopt;
  return time;
}

}  // namespace ringcast
