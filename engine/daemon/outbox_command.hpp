// `ringcast outbox ...`: what an operator sees and does of an outbox, without a daemon.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "store/outbox_operator.hpp"

namespace ringcast {

inline constexpr std::uint32_t kRedrivesPerSecondMax = 10'000;

struct OutboxOptions {
  std::string config_file;  // empty: none
  std::string store;        // a [store] url; wins over the file and the environment
  bool json = false;
  std::vector<std::int64_t> ids;
  DeadLetterFilter filter;
  bool every = false;      // every dead letter, where neither ids nor a filter choose
  bool yes = false;        // rebase is meant
  std::string before_day;  // archive: YYYY-MM-DD
  std::string archive_file;
  bool keep = false;         // archive removes nothing
  std::uint32_t rate = 100;  // rows redriven in a second
};

// Each gives the exit code. Thread: start-up.
int outbox_status(const OutboxOptions& options);
int list_dead_letters(const OutboxOptions& options);
int show_dead_letters(const OutboxOptions& options);
int retry_dead_letters(const OutboxOptions& options);
int drop_dead_letters(const OutboxOptions& options);
int rebase_outbox(const OutboxOptions& options);
int archive_outbox(const OutboxOptions& options);

}  // namespace ringcast
