#include "pg/rows.hpp"

#include <algorithm>
#include <bit>

#include "base/ensure.hpp"
#include "message/timestamp.hpp"

namespace ringcast::pg {

namespace {

// timestamptz counts microseconds from 2000-01-01; the ends of the range mean infinity.
constexpr std::int64_t kPostgresEpochSeconds = 946'684'800;
constexpr std::int64_t kMicros = 1'000'000;
constexpr std::int64_t kYear1Seconds = -62'135'596'800;
constexpr std::int64_t kYear10000Seconds = 253'402'300'800;

std::int64_t big_endian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (const char byte : bytes) value = value << 8 | static_cast<std::uint8_t>(byte);
  switch (bytes.size()) {
    case 2:
      return static_cast<std::int16_t>(value);
    case 4:
      return static_cast<std::int32_t>(value);
    case 8:
      return static_cast<std::int64_t>(value);
    default:
      ensure(false, "a number of 2, 4 or 8 bytes");
      return 0;
  }
}

}  // namespace

std::size_t Rows::size() const {
  return result_ ? static_cast<std::size_t>(PQntuples(result_.get())) : 0;
}

bool Rows::null(std::size_t row, int column) const {
  return PQgetisnull(result_.get(), static_cast<int>(row), column) != 0;
}

std::string_view Rows::bytes(std::size_t row, int column) const {
  ensure(row < size() && column < PQnfields(result_.get()), "a cell inside the result");
  const int at = static_cast<int>(row);
  return {PQgetvalue(result_.get(), at, column),
          static_cast<std::size_t>(PQgetlength(result_.get(), at, column))};
}

std::string_view Rows::text(std::size_t row, int column) const { return bytes(row, column); }

std::int64_t Rows::number(std::size_t row, int column) const {
  return null(row, column) ? 0 : big_endian(bytes(row, column));
}

bool Rows::flag(std::size_t row, int column) const {
  const std::string_view value = bytes(row, column);
  return value.size() == 1 && value[0] != 0;
}

double Rows::real(std::size_t row, int column) const {
  return null(row, column) ? 0 : std::bit_cast<double>(big_endian(bytes(row, column)));
}

Uuid Rows::uuid(std::size_t row, int column) const {
  Uuid uuid;
  if (null(row, column)) return uuid;
  const std::string_view value = bytes(row, column);
  ensure(value.size() == uuid.bytes.size(), "a uuid column");
  std::transform(value.begin(), value.end(), uuid.bytes.begin(),
                 [](char byte) { return static_cast<std::uint8_t>(byte); });
  return uuid;
}

std::string Rows::timestamp(std::size_t row, int column) const {
  if (null(row, column)) return {};
  const std::int64_t micros = big_endian(bytes(row, column));
  // Infinity and years that RFC 3339 has no digits for: whoever judges the row names the field.
  if (micros / kMicros < kYear1Seconds - kPostgresEpochSeconds) return "before year 1";
  if (micros / kMicros >= kYear10000Seconds - kPostgresEpochSeconds) return "after year 9999";
  return ringcast::timestamp(
      WallTime{std::chrono::microseconds{micros + kPostgresEpochSeconds * kMicros}});
}

}  // namespace ringcast::pg
