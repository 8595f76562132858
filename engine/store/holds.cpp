#include "store/holds.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace ringcast {

namespace {

constexpr char kBetween = '\x1f';
constexpr std::size_t kNameBytesMax = 1'024;  // of each part: stores give no more of a longer text

FailedRow waits(const OutboxRow& row, Offset hold_at, std::int64_t behind) {
  FailedRow failed{row.id, row.event_id ? row.event_id->text() : "", "held",
                   fmt::format("waits behind row {} of its aggregate", behind)};
  failed.hold_at = hold_at;
  return failed;
}

}  // namespace

std::string aggregate_name(std::string_view tenant_id, std::string_view type, std::string_view id) {
  std::string name(tenant_id.substr(0, kNameBytesMax));
  name += kBetween;
  name += type.substr(0, kNameBytesMax);
  name += kBetween;
  name += id.substr(0, kNameBytesMax);
  return name;
}

std::string aggregate_of(const OutboxRow& row) {
  if (row.kind == OutboxRow::Kind::plain) return {};
  return aggregate_name(row.tenant_id, row.aggregate_type, row.aggregate_id);
}

Holds::Holds(std::vector<std::string> types, std::uint64_t rows_max)
    : types_(std::move(types)), rows_max_(rows_max) {}

void Holds::begin(Offset from, std::span<const HeldRow> rows) {
  from_ = from;
  replayed_.clear();
  queues_.clear();
  aggregate_of_.clear();
  ended_.clear();
  for (const HeldRow& row : rows) {
    replayed_.push_back(row.id);
    if (!row.open) continue;
    Queue& queue = queues_[row.aggregate];
    if (queue.places.empty()) queue.blocked = row.blocks;
    append(row.aggregate, queue, {row.id, row.hold_at});
  }
  std::sort(replayed_.begin(), replayed_.end());
  wants_put_back_ = !queues_.empty();
}

bool Holds::holds(std::string_view event_type) const {
  return std::any_of(types_.begin(), types_.end(), [event_type](const std::string& type) {
    return type == "*" || type == event_type;
  });
}

bool Holds::withdraws(const OutboxRow& row) {
  return row.redrive_of != 0 && row.event_type == kWithdrawnType;
}

Holds::Queues::iterator Holds::queue_of(std::int64_t id) {
  const auto known = aggregate_of_.find(id);
  return known == aggregate_of_.end() ? queues_.end() : queues_.find(known->second);
}

std::optional<FailedRow> Holds::held_back(const OutboxRow& row) {
  if (row.offset <= from_) {
    if (replayed_.empty() || !std::binary_search(replayed_.begin(), replayed_.end(), row.id))
      return std::nullopt;
    return waits(row, row.offset, row.id);
  }
  if (queues_.empty()) return std::nullopt;
  if (const auto known = queue_of(row.id); known != queues_.end())
    return waits(row, row.offset, known->second.places.front().id);
  if (const auto copied = queue_of(row.redrive_of); copied != queues_.end()) {
    Queue& queue = copied->second;
    const auto place = std::find_if(queue.places.begin(), queue.places.end(),
                                    [&](const Place& at) { return at.id == row.redrive_of; });
    if (place == queue.places.begin()) return std::nullopt;
    replace(queue, *place, row);
    return waits(row, place->hold_at, queue.places.front().id);
  }
  const std::string aggregate = aggregate_of(row);
  const auto found = queues_.find(aggregate);
  if (aggregate.empty() || found == queues_.end()) return std::nullopt;
  Queue& queue = found->second;
  const std::int64_t behind = queue.places.front().id;
  if (aggregate_of_.size() >= rows_max_)
    return FailedRow{row.id, row.event_id ? row.event_id->text() : "", "hold_full",
                     fmt::format("its aggregate waits behind row {}, and outbox.held_rows_max "
                                 "rows wait already",
                                 behind)};
  append(aggregate, queue, {row.id, row.offset});
  wants_put_back_ = wants_put_back_ || !queue.blocked;
  return waits(row, row.offset, behind);
}

void Holds::judged(const OutboxRow& row, std::optional<FailedRow>& failed) {
  if (row.offset <= from_) return;
  const bool may_hold = failed && holds(row.event_type);
  if (const auto copied = row.redrive_of == 0 ? queues_.end() : queue_of(row.redrive_of);
      copied != queues_.end()) {
    Queue& queue = copied->second;
    if (!may_hold) return leave(copied, queue.places.begin(), row.offset);
    replace(queue, queue.places.front(), row);
    queue.blocked = true;
    failed->hold_at = queue.places.front().hold_at;
    return;
  }
  if (!may_hold || aggregate_of_.size() >= rows_max_) return;
  const std::string aggregate = aggregate_of(row);
  if (aggregate.empty()) return;
  append(aggregate, queues_[aggregate], {row.id, row.offset});
  failed->hold_at = row.offset;
}

void Holds::withdraw(const OutboxRow& row) {
  if (row.offset <= from_) return;
  const auto queue = queue_of(row.redrive_of);
  if (queue == queues_.end()) return;
  auto& places = queue->second.places;
  leave(queue,
        std::find_if(places.begin(), places.end(),
                     [&](const Place& at) { return at.id == row.redrive_of; }),
        row.offset);
}

void Holds::append(const std::string& aggregate, Queue& queue, Place place) {
  aggregate_of_.emplace(place.id, aggregate);
  queue.places.push_back(place);
}

void Holds::replace(Queue& queue, Place& place, const OutboxRow& row) {
  ended_.push_back({place.id, row.offset});
  const auto old = aggregate_of_.find(place.id);
  std::string aggregate = std::move(old->second);
  aggregate_of_.erase(old);
  aggregate_of_.emplace(row.id, std::move(aggregate));
  place.id = row.id;
  place.asked = false;
  wants_put_back_ = wants_put_back_ || !queue.blocked;
}

void Holds::leave(Queues::iterator queue, std::deque<Place>::iterator place, Offset at) {
  auto& places = queue->second.places;
  ended_.push_back({place->id, at});
  aggregate_of_.erase(place->id);
  if (place == places.begin()) queue->second.blocked = false;
  places.erase(place);
  if (places.empty())
    queues_.erase(queue);
  else
    wants_put_back_ = wants_put_back_ || !queue->second.blocked;
}

std::vector<std::int64_t> Holds::to_put_back(std::size_t most) const {
  std::vector<std::int64_t> ids;
  for (const auto& [aggregate, queue] : queues_)
    if (!queue.blocked)
      for (const Place& place : queue.places)
        if (!place.asked && ids.size() < most) ids.push_back(place.id);
  return ids;
}

// In the order of to_put_back(): nothing has changed since.
void Holds::put_back(std::size_t count) {
  wants_put_back_ = false;
  for (auto& [aggregate, queue] : queues_)
    if (!queue.blocked)
      for (Place& place : queue.places) {
        if (place.asked) continue;
        if (count == 0) {
          wants_put_back_ = true;
          return;
        }
        --count;
        place.asked = true;
      }
}

}  // namespace ringcast
