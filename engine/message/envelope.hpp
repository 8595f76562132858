// From a row of the outbox to the events that subscribers get, or to the reason why not.
#pragma once

#include <boost/container/static_vector.hpp>
#include <cstdint>
#include <variant>

#include "base/result.hpp"
#include "message/event.hpp"
#include "message/outbox_row.hpp"

namespace ringcast {

inline constexpr std::int64_t kEventVersion = 1;
inline constexpr std::size_t kAggregateBytesMax = 255;
inline constexpr std::size_t kConflationKeyBytesMax = 255;

// Octets of what goes out: the envelope, or a plain row's data.
struct EnvelopeLimits {
  std::uint64_t bytes_warn = 32ULL << 10;  // above: counted, and the caller says so in the log
  std::uint64_t bytes_max = 64ULL << 10;   // above: the row fails, too_large
};

inline constexpr std::size_t kRoomsOfRowMax = 2;

// What one row becomes: an event for each of its rooms, in this order, with one shared payload.
struct RowEvents {
  boost::container::static_vector<EventRef, kRoomsOfRowMax> events;
  std::uint64_t bytes = 0;
  bool above_warn = false;
};

// Judges every field of the row. An envelope row goes to `tenant:{tenantId}` and to
// `tenant:{tenantId}:{module}`, or to its own room alone; its data is the envelope
//   {"id","version","tenantId","aggregateType","aggregateId","occurredAt","eventType","payload"}
// in this order. A plain row's type and data go out as given. Thread: any.
[[nodiscard]] std::variant<RowEvents, FailedRow> events_of(const OutboxRow& row,
                                                           const EnvelopeLimits& limits);

// The same rules for a row that is about to be written, so that its publisher learns at once what
// would otherwise become a failed row.
[[nodiscard]] Result<void> check_plain_row(const PlainRow& row, const EnvelopeLimits& limits);

}  // namespace ringcast
