#include "pg/rows.hpp"

#include <bit>
#include <cstring>
#include <type_traits>

#include "base/ensure.hpp"

namespace ringcast::pg {

namespace {

// timestamptz counts microseconds from 2000-01-01; the ends of the range mean infinity.
constexpr std::int64_t kPostgresEpochSeconds = 946'684'800;
constexpr std::int64_t kMicros = 1'000'000;
constexpr std::int64_t kYear1Seconds = -62'135'596'800;
constexpr std::int64_t kYear10000Seconds = 253'402'300'800;

template <class Number>
std::int64_t big_endian_as(std::string_view bytes) {
  std::make_unsigned_t<Number> value = 0;
  std::memcpy(&value, bytes.data(), sizeof value);
  if constexpr (sizeof value == 2) value = __builtin_bswap16(value);
  if constexpr (sizeof value == 4) value = __builtin_bswap32(value);
  if constexpr (sizeof value == 8) value = __builtin_bswap64(value);
  return static_cast<Number>(value);
}

std::int64_t big_endian(std::string_view bytes) {
  switch (bytes.size()) {
    case 2:
      return big_endian_as<std::int16_t>(bytes);
    case 4:
      return big_endian_as<std::int32_t>(bytes);
    case 8:
      return big_endian_as<std::int64_t>(bytes);
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
  const int at = static_cast<int>(row);
  const char* value = PQgetvalue(result_.get(), at, column);
  ensure(value != nullptr, "a cell inside the result");
  return {value, static_cast<std::size_t>(PQgetlength(result_.get(), at, column))};
}

std::string_view Rows::text(std::size_t row, int column) const { return bytes(row, column); }

std::int64_t Rows::number(std::size_t row, int column) const {
  const std::string_view value = bytes(row, column);
  return value.empty() ? 0 : big_endian(value);
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
  const std::string_view value = bytes(row, column);
  if (value.empty()) return uuid;
  ensure(value.size() == uuid.bytes.size(), "a uuid column");
  std::memcpy(uuid.bytes.data(), value.data(), value.size());
  return uuid;
}

std::optional<WallTime> Rows::time(std::size_t row, int column) const {
  if (null(row, column)) return std::nullopt;
  const std::int64_t micros = big_endian(bytes(row, column));
  if (micros / kMicros < kYear1Seconds - kPostgresEpochSeconds ||
      micros / kMicros >= kYear10000Seconds - kPostgresEpochSeconds)
    return std::nullopt;
  return WallTime{std::chrono::microseconds{micros + kPostgresEpochSeconds * kMicros}};
}

}  // namespace ringcast::pg
