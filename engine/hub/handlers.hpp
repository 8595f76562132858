// What the application answers: the table from names to rows, filled before the engine starts.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.hpp"
#include "base/result.hpp"
#include "hub/rate_limit.hpp"
#include "message/mail.hpp"

namespace ringcast {

// One thing that the application answers. Its place in the table is what mail carries.
struct HandlerRow {
  std::string name;              // of a call: its event; of `authorize`: the pattern of rooms
  std::optional<HookKind> hook;  // none: a call
  RateLimit per_connection;      // calls only, kept by the connection's shard
  RateLimit per_user;            // calls only, kept by the port that serves the user
};

// Thread: filled at start-up, then immutable and read by every shard and port. Lives as long as the
// engine. At most kHandlersMax rows; adding more is an error.
class Handlers final {
 public:
  static constexpr std::size_t kHandlersMax = 256;

  // The error says what is wrong with the name, the rule, or that it is there already.
  Result<HandlerIndex> add_call(std::string_view event, RateLimit per_connection = {},
                                RateLimit per_user = {});
  // A hook without a pattern, once of each kind.
  Result<HandlerIndex> add_hook(HookKind kind);
  // Rooms that the application judges; the first pattern that includes a room holds.
  Result<HandlerIndex> add_authorize(std::string_view pattern);
  // Who answers: ports are numbered behind the shards. Wiring says so, once.
  void answered_by(ShardIndex first_port, std::uint32_t ports);

  [[nodiscard]] bool empty() const { return rows_.empty(); }
  [[nodiscard]] std::size_t size() const { return rows_.size(); }
  [[nodiscard]] const HandlerRow& row(HandlerIndex index) const { return rows_[index.value]; }
  [[nodiscard]] std::optional<HandlerIndex> find_call(std::string_view event) const;
  [[nodiscard]] std::optional<HandlerIndex> find_hook(HookKind kind) const;
  [[nodiscard]] std::optional<HandlerIndex> find_authorize(std::string_view room) const;
  // Always the same for a user, so that what one user asks is answered in order, and counted by
  // one thread; for an anonymous one, always the same for the connection.
  [[nodiscard]] ShardIndex port_of(std::string_view user, const ConnectionId& connection) const;
  // As metrics name the row.
  [[nodiscard]] static std::string label(const HandlerRow& row);

 private:
  [[nodiscard]] Result<HandlerIndex> add(HandlerRow row);

  std::vector<HandlerRow> rows_;
  std::vector<HandlerIndex> calls_;       // by name
  std::vector<HandlerIndex> authorizes_;  // as they were added
  std::array<std::optional<HandlerIndex>, kHookKinds> hooks_;
  ShardIndex first_port_;
  std::uint32_t ports_ = 0;
};

}  // namespace ringcast
