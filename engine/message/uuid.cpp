#include "message/uuid.hpp"

#include <sys/random.h>

#include <cstring>
#include <utility>

#include "base/ensure.hpp"

namespace ringcast {

namespace {

constexpr char kHex[] = "0123456789abcdef";

// The bytes between its dashes.
constexpr std::pair<std::size_t, std::size_t> kGroups[] = {
    {0, 4}, {4, 6}, {6, 8}, {8, 10}, {10, 16}};

constexpr bool dash_after(std::size_t byte) {
  return byte == 3 || byte == 5 || byte == 7 || byte == 9;
}

int nibble(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// A pool of random bytes a thread, because getrandom() costs more than the rest of a publish.
struct RandomPool {
  std::array<std::uint8_t, 1024> bytes;
  std::size_t used = sizeof bytes;
};

}  // namespace

void Uuid::append_to(std::string& out) const {
  char text[36];
  char* at = text;
  for (const auto& [first, last] : kGroups) {
    if (first != 0) *at++ = '-';
    for (std::size_t i = first; i < last; ++i) {
      *at++ = kHex[bytes[i] >> 4];
      *at++ = kHex[bytes[i] & 15];
    }
  }
  out.append(text, sizeof text);
}

std::string Uuid::text() const {
  std::string out;
  out.reserve(36);
  append_to(out);
  return out;
}

std::optional<Uuid> Uuid::parse(std::string_view text) {
  if (text.size() != 36) return std::nullopt;
  Uuid uuid;
  std::size_t at = 0;
  for (std::size_t i = 0; i < uuid.bytes.size(); ++i) {
    const int high = nibble(text[at++]);
    const int low = nibble(text[at++]);
    if (high < 0 || low < 0) return std::nullopt;
    uuid.bytes[i] = static_cast<std::uint8_t>(high << 4 | low);
    if (dash_after(i) && text[at++] != '-') return std::nullopt;
  }
  return uuid;
}

Uuid Uuid::random() {
  thread_local RandomPool pool;
  if (pool.used == pool.bytes.size()) {
    ensure(getrandom(pool.bytes.data(), pool.bytes.size(), 0) ==
               static_cast<ssize_t>(pool.bytes.size()),
           "getrandom gave fewer bytes than asked");
    pool.used = 0;
  }
  Uuid uuid;
  // What was given is nowhere else any more.
  std::memcpy(uuid.bytes.data(), pool.bytes.data() + pool.used, sizeof uuid.bytes);
  std::memset(pool.bytes.data() + pool.used, 0, sizeof uuid.bytes);
  pool.used += sizeof uuid.bytes;
  uuid.bytes[6] = static_cast<std::uint8_t>((uuid.bytes[6] & 0x0f) | 0x40);
  uuid.bytes[8] = static_cast<std::uint8_t>((uuid.bytes[8] & 0x3f) | 0x80);
  return uuid;
}

}  // namespace ringcast
