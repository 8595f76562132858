#include "hub/call_ledger.hpp"

#include <fmt/format.h>

#include <functional>
#include <utility>

#include "auth/identity.hpp"

namespace ringcast {

namespace {

// What a remembered answer costs besides its texts: its nodes in the map and in the list.
constexpr std::uint64_t kEntryBytes = 256;

// Who is counted. Anonymous ones have their connection for a name; no user contains a slash.
std::string caller_name(const CallMail& call) {
  if (call.identity && !call.identity->user.empty()) return call.identity->user;
  const ConnectionId& id = call.caller.connection;
  return fmt::format("/{}/{}/{}", id.shard.value, id.slot.index, id.slot.generation);
}

}  // namespace

std::string CallLedger::key_of(const CallMail& call) {
  return fmt::format("{} {} {}", call.handler.value, caller_name(call), call.idempotency_key);
}

std::uint64_t CallLedger::bytes_of(const std::string& key, const Payload& answer) {
  return kEntryBytes + 2 * key.size() + answer->size();
}

UserRates& CallLedger::rates_of(HandlerIndex handler) {
  while (rates_.size() <= handler.value) rates_.emplace_back(config_.rate_users_max);
  return rates_[handler.value];
}

CallLedger::Admission CallLedger::admit(const CallMail& call, Instant now) {
  const std::uint64_t data_hash = std::hash<std::string_view>{}(*call.data);
  std::string key;
  if (!call.idempotency_key.empty()) {
    while (!by_age_.empty() && by_age_.front().second <= now) forget_oldest();
    key = key_of(call);
    if (const auto known = entries_.find(key); known != entries_.end()) {
      Entry& entry = known->second;
      if (entry.data_hash != data_hash)
        return CallResult(CallError{
            Errc::conflict, "idempotencyKey: it was used for a call with other data", {}});
      if (entry.answer) return CallResult(entry.answer);
      entry.waiting.push_back(call.caller);
      return Wait{};
    }
  }
  const RateLimit& rate = handlers_.row(call.handler).per_user;
  if (rate.kind != RateLimit::Kind::none &&
      !rates_of(call.handler).take(caller_name(call), rate, now))
    return CallResult(CallError{
        Errc::rate_limited,
        fmt::format("event: too many '{}' of this user", handlers_.row(call.handler).name),
        {}});
  if (!key.empty()) entries_[std::move(key)].data_hash = data_hash;
  return Run{};
}

std::vector<ReplyTo> CallLedger::finished(const CallMail& call, const CallResult& result,
                                          Instant now) {
  if (call.idempotency_key.empty()) return {};
  std::string key = key_of(call);
  const auto entry = entries_.find(key);
  ensure(entry != entries_.end() && !entry->second.answer, "CallLedger: finished without admit");
  std::vector<ReplyTo> waiting = std::move(entry->second.waiting);
  const auto* answer = std::get_if<Payload>(&result);
  if (answer == nullptr || bytes_of(key, *answer) > config_.idempotency_bytes_max) {
    entries_.erase(entry);
    return waiting;
  }
  entry->second.answer = *answer;
  bytes_ += bytes_of(key, *answer);
  by_age_.emplace_back(std::move(key), now + std::chrono::seconds(config_.idempotency_window_s));
  while (bytes_ > config_.idempotency_bytes_max) forget_oldest();
  return waiting;
}

void CallLedger::forget_oldest() {
  const auto entry = entries_.find(by_age_.front().first);
  bytes_ -= bytes_of(entry->first, entry->second.answer);
  entries_.erase(entry);
  by_age_.pop_front();
}

}  // namespace ringcast
