// The rows that a contender carries: written as an application writes them, and read as plainly as
// its database can.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace ringcast::bench {

// Whose table: each has what its own documentation or the usual way asks for.
enum class Layout : std::uint8_t { ringcast, bare, skip_locked, centrifugo };

[[nodiscard]] std::string_view table_of(Layout layout);

// Inserts row $1 of tenant t0 into Ringcast's table: what each of many writers prepares.
[[nodiscard]] std::string insert_one_sql();

// Row n belongs to tenant n % tenants, has about 300 octets of payload, and says "bn": n in it.
// Thread: its owner's.
class Rows {
 public:
  // `url`: sqlite:PATH or postgresql://.... Ringcast's schema is made by the daemon, the others
  // here.
  static Result<std::unique_ptr<Rows>> open(const std::string& url, Layout layout, int tenants);
  virtual ~Rows() = default;
  // One transaction with the rows first to end - 1; returns after the commit.
  virtual Result<void> insert(std::uint64_t first, std::uint64_t end) = 0;
  // A backlog: a thousand to a transaction, then vacuumed and on the disk.
  virtual Result<void> fill(std::uint64_t rows) = 0;
  virtual Result<void> clear() = 0;
  // Reads every column of every row once; returns seconds. Of Ringcast's table only.
  virtual Result<double> scan(std::uint64_t rows) = 0;
  // As if nobody had ever read them. Of Ringcast's table only.
  virtual Result<void> rewind() = 0;
};

}  // namespace ringcast::bench
