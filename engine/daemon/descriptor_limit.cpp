#include "daemon/descriptor_limit.hpp"

#include <sys/resource.h>

namespace ringcast {

namespace {

constexpr std::uint64_t kPerShard = 8;     // ring, wake-up, listener, and room for a few more
constexpr std::uint64_t kPerProcess = 64;  // store, log, what libraries open

}  // namespace

std::uint64_t raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  const rlimit raised{limit.rlim_max, limit.rlim_max};
  return setrlimit(RLIMIT_NOFILE, &raised) == 0 ? raised.rlim_cur : limit.rlim_cur;
}

std::uint64_t descriptors_needed(const Config& config, std::uint32_t shards) {
  return config.listen.connections_max + kPerShard * shards + kPerProcess;
}

}  // namespace ringcast
