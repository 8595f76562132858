// The counters of all shards as Prometheus text: GET /metrics.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "metrics/shard_metrics.hpp"
#include "metrics/source_metrics.hpp"

namespace ringcast {

// What is summed up when somebody asks. Labels come from our own enums and the application's table
// of handlers, never from a client, so the number of lines is fixed at start-up.
//
// Thread: made at start-up, text() from any (it reads atomics only). Holds at most kCloseReasonsMax
// reasons; more is our own mistake.
class Exposition final {
 public:
  // `close_reasons` by the value of their enumerator, `handlers` by their rows. The metrics must
  // outlive this; `source` is null where there is no outbox.
  Exposition(std::vector<const ShardMetrics*> shards, const SourceMetrics* source,
             std::vector<std::string_view> close_reasons, std::vector<std::string> handlers);

  // Text exposition format 0.0.4; the media type of the answer is kMediaType.
  [[nodiscard]] std::string text() const;

  static constexpr std::string_view kMediaType = "text/plain; version=0.0.4; charset=utf-8";

 private:
  std::vector<const ShardMetrics*> shards_;
  const SourceMetrics* source_;
  std::vector<std::string_view> close_reasons_;
  std::vector<std::string> handlers_;
};

}  // namespace ringcast
