// Commits rows as an application does, beside a running daemon.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/result.hpp"

namespace ringcast::bench {

// Rows of tenant 1 whose payload is {"bn":number,"bt":time}, several in a transaction.
// Thread: its owner's.
class RowWriter {
 public:
  // `url`: sqlite:PATH or postgresql://..., with the schema that the daemon has made.
  static Result<std::unique_ptr<RowWriter>> open(const std::string& url);
  virtual ~RowWriter() = default;
  // One transaction with the rows first, first + 1, ... and their common time; returns after the
  // commit.
  virtual Result<void> commit(std::uint64_t first, std::uint32_t count, std::uint64_t time) = 0;
};

}  // namespace ringcast::bench
