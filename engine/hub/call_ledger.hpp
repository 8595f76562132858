// What one port of the application remembers of its callers.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <list>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config/config.hpp"
#include "hub/handlers.hpp"
#include "hub/rate_limit.hpp"

namespace ringcast {

// Rates of users, and the first answers to calls with an idempotency key. A user is always served
// by the same port, so both hold whichever connection and shard a call came from.
//
// Thread: the port's. Lives beside it. Users are bounded by rate_users_max a handler, remembered
// answers by idempotency_bytes_max: the oldest are forgotten first, and such a call would run
// again. Those that run are never forgotten; their number is bounded by calls_max.
class CallLedger final {
 public:
  CallLedger(const AppConfig& config, const Handlers& handlers)
      : config_(config), handlers_(handlers) {}

  struct Run {};   // it is new: run the handler, then say what came of it with finished()
  struct Wait {};  // the same call runs: finished() will name its caller
  using Admission = std::variant<Run, Wait, CallResult>;  // a result: answer with that at once
  [[nodiscard]] Admission admit(const CallMail& call, Instant now);

  // A call that was to run has its answer. Returns who else waits for it. What succeeded is
  // remembered; what failed is not, so that trying again tries again.
  [[nodiscard]] std::vector<ReplyTo> finished(const CallMail& call, const CallResult& result,
                                              Instant now);

  [[nodiscard]] std::size_t remembered() const { return by_age_.size(); }

 private:
  struct Entry {
    std::uint64_t data_hash = 0;
    Payload answer;  // null: it runs
    std::vector<ReplyTo> waiting;
  };
  using Entries = boost::unordered_flat_map<std::string, Entry>;

  [[nodiscard]] static std::string key_of(const CallMail& call);
  [[nodiscard]] static std::uint64_t bytes_of(const std::string& key, const Payload& answer);
  void forget_oldest();
  UserRates& rates_of(HandlerIndex handler);

  const AppConfig& config_;
  const Handlers& handlers_;
  std::vector<UserRates> rates_;  // by handler
  Entries entries_;
  std::list<std::pair<std::string, Instant>> by_age_;  // keys of answers and when they expire
  std::uint64_t bytes_ = 0;
};

}  // namespace ringcast
