// A backlog of outbox rows, and how fast its database gives them away at best.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/result.hpp"

namespace ringcast::bench {

inline constexpr int kTenants = 100;

// Rows of kTenants tenants, each with about 300 octets of payload, a thousand to a transaction.
// Thread: its owner's.
class Backlog {
 public:
  // `url`: sqlite:PATH or postgresql://..., with the schema that the daemon has made.
  static Result<std::unique_ptr<Backlog>> open(const std::string& url);
  virtual ~Backlog() = default;
  virtual Result<void> fill(std::uint64_t rows) = 0;
  // Reads every column of every row once, as plainly as the database can; returns seconds.
  virtual Result<double> scan(std::uint64_t rows) = 0;
  // As if no daemon had ever read it.
  virtual Result<void> rewind() = 0;
};

}  // namespace ringcast::bench
