#include "pg/params.hpp"

#include "base/ensure.hpp"

namespace ringcast::pg {

namespace {

// Type numbers that PostgreSQL never changes (pg_type.dat).
constexpr std::uint32_t kByteaOid = 17;
constexpr std::uint32_t kBigintOid = 20;
constexpr std::uint32_t kTextOid = 25;
constexpr std::uint32_t kUuidOid = 2950;
constexpr std::uint32_t kNullLength = 0xffffffff;

void put_u32(std::string& out, std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>((value >> shift) & 0xff);
}

// The head of a one-dimensional array with lower bound 1 (array_recv in arrayfuncs.c).
std::string array_head(std::uint32_t element_oid, std::size_t count) {
  std::string out;
  put_u32(out, count == 0 ? 0 : 1);
  put_u32(out, 1);  // may hold nulls
  put_u32(out, element_oid);
  if (count != 0) {
    put_u32(out, static_cast<std::uint32_t>(count));
    put_u32(out, 1);
  }
  return out;
}

enum class EmptyIs { null, empty };

std::string array_of(std::uint32_t oid, std::span<const std::string_view> items, EmptyIs empty_is) {
  std::string out = array_head(oid, items.size());
  for (const std::string_view item : items) {
    ensure(item.size() < (1U << 30), "an array element below PostgreSQL's limit of 1 GiB");
    if (item.empty() && empty_is == EmptyIs::null) {
      put_u32(out, kNullLength);
    } else {
      put_u32(out, static_cast<std::uint32_t>(item.size()));
      out += item;
    }
  }
  return out;
}

}  // namespace

Params& Params::add(std::string_view text) {
  // In text form libpq reads up to the first NUL: a value that holds one would be cut in silence.
  ensure(text.find('\0') == std::string_view::npos, "a text parameter without NUL");
  values_.push_back({std::string(text)});
  return *this;
}

Params& Params::add_texts(std::span<const std::string_view> texts) {
  values_.push_back({.bytes = array_of(kTextOid, texts, EmptyIs::null), .binary = true});
  return *this;
}

Params& Params::add_plain_texts(std::span<const std::string_view> texts) {
  values_.push_back({.bytes = array_of(kTextOid, texts, EmptyIs::empty), .binary = true});
  return *this;
}

Params& Params::add_bytes(std::span<const std::string_view> blobs) {
  values_.push_back({.bytes = array_of(kByteaOid, blobs, EmptyIs::empty), .binary = true});
  return *this;
}

Params& Params::add_uuids(std::span<const Uuid> uuids) {
  std::string out = array_head(kUuidOid, uuids.size());
  for (const Uuid& uuid : uuids) {
    put_u32(out, 16);
    for (const std::uint8_t byte : uuid.bytes) out += static_cast<char>(byte);
  }
  values_.push_back({.bytes = std::move(out), .binary = true});
  return *this;
}

Params& Params::add_numbers(std::span<const std::int64_t> numbers) {
  std::string out = array_head(kBigintOid, numbers.size());
  for (const std::int64_t number : numbers) {
    const auto bits = static_cast<std::uint64_t>(number);
    put_u32(out, 8);
    put_u32(out, static_cast<std::uint32_t>(bits >> 32));
    put_u32(out, static_cast<std::uint32_t>(bits & 0xffffffff));
  }
  values_.push_back({.bytes = std::move(out), .binary = true});
  return *this;
}

Params::View Params::view() const {
  View view;
  for (const Value& value : values_) {
    view.values.push_back(value.bytes.c_str());
    view.lengths.push_back(static_cast<int>(value.bytes.size()));
    view.formats.push_back(value.binary ? 1 : 0);
  }
  return view;
}

}  // namespace ringcast::pg
