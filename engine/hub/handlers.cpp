#include "hub/handlers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "auth/grants.hpp"
#include "base/ensure.hpp"
#include "message/home_shard.hpp"
#include "message/names.hpp"

namespace ringcast {

Result<HandlerIndex> Handlers::add(HandlerRow row) {
  const std::string name = label(row);
  for (const RateLimit& limit : {row.per_connection, row.per_user})
    if (!limit.valid())
      return {Errc::validation, fmt::format("handler '{}': a rate is 1 to {} calls in a window of "
                                            "at least a nanosecond each",
                                            name, RateLimit::kCallsMax)};
  for (const HandlerRow& known : rows_)
    if (label(known) == name)
      return {Errc::conflict, fmt::format("handler '{}': there is one already", name)};
  if (rows_.size() >= kHandlersMax)
    return {Errc::validation,
            fmt::format("handler '{}': there are {} already", name, kHandlersMax)};
  rows_.push_back(std::move(row));
  return HandlerIndex{static_cast<std::uint32_t>(rows_.size() - 1)};
}

Result<HandlerIndex> Handlers::add_call(std::string_view event, RateLimit per_connection,
                                        RateLimit per_user) {
  if (auto checked = check_call_event(event); !checked) return checked.error();
  auto added = add({std::string(event), std::nullopt, per_connection, per_user});
  if (!added) return added;
  const auto at = std::lower_bound(
      calls_.begin(), calls_.end(), event,
      [&](HandlerIndex index, std::string_view name) { return row(index).name < name; });
  calls_.insert(at, *added);
  return added;
}

Result<HandlerIndex> Handlers::add_hook(HookKind kind) {
  ensure(kind != HookKind::authorize, "Handlers::add_hook: authorize has patterns");
  auto added = add({{}, kind, {}, {}});
  if (added) hooks_[static_cast<std::size_t>(kind)] = *added;
  return added;
}

Result<HandlerIndex> Handlers::add_authorize(std::string_view pattern) {
  if (auto checked = check_pattern(pattern, "pattern"); !checked) return checked.error();
  auto added = add({std::string(pattern), HookKind::authorize, {}, {}});
  if (added) authorizes_.push_back(*added);
  return added;
}

void Handlers::answered_by(ShardIndex first_port, std::uint32_t ports) {
  ensure(ports != 0 && ports_ == 0, "Handlers::answered_by: no port, or said twice");
  first_port_ = first_port;
  ports_ = ports;
}

std::optional<HandlerIndex> Handlers::find_call(std::string_view event) const {
  const auto at = std::lower_bound(
      calls_.begin(), calls_.end(), event,
      [&](HandlerIndex index, std::string_view name) { return row(index).name < name; });
  if (at == calls_.end() || row(*at).name != event) return std::nullopt;
  return *at;
}

std::optional<HandlerIndex> Handlers::find_hook(HookKind kind) const {
  return hooks_[static_cast<std::size_t>(kind)];
}

std::optional<HandlerIndex> Handlers::find_authorize(std::string_view room) const {
  for (const HandlerIndex index : authorizes_)
    if (pattern_includes(row(index).name, room)) return index;
  return std::nullopt;
}

ShardIndex Handlers::port_of(std::string_view user, const ConnectionId& connection) const {
  ensure(ports_ != 0, "handlers without a port");
  const std::uint32_t at = user.empty() ? (connection.slot.index + connection.shard.value) % ports_
                                        : home_shard(user, ports_).value;
  return {first_port_.value + at};
}

std::string Handlers::label(const HandlerRow& row) {
  if (!row.hook) return row.name;
  const std::string_view kind = hook_name(*row.hook);
  return row.name.empty() ? fmt::format("ringcast:{}", kind)
                          : fmt::format("ringcast:{} {}", kind, row.name);
}

}  // namespace ringcast
