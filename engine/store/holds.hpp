// Aggregates whose rows wait, because one of theirs failed whose event type says so.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "message/outbox_row.hpp"

namespace ringcast {

// Of a row with redrive_of: that row will never be delivered, whoever waits behind it goes on. Only
// the operator's command writes such rows.
inline constexpr std::string_view kWithdrawnType = "ringcast:withdrawn";

// A failed row that holds up its aggregate or waits in it, as the store keeps it.
struct HeldRow {
  std::int64_t id = 0;
  Offset hold_at = 0;   // FailedRow::hold_at
  bool blocks = false;  // it was judged, and failed; else it only waits
  bool open = false;    // by the position from which the log is read on
  std::string aggregate;
};

// In a hold, `id` was followed at this position by the row that took its place, or by its end.
struct EndedHold {
  std::int64_t id = 0;
  Offset at = 0;
  bool operator==(const EndedHold&) const = default;
};

// Which rows wait is decided by the log alone: from the position of the row that failed on, every
// row of its aggregate waits, until copies of all of them (OutboxRow::redrive_of) have come in
// their order. So all daemons decide the same, at any time and after any crash.
//
// Thread: outbox. Lives as long as the Source. Holds at most rows_max rows: beyond that, later rows
// of a held aggregate are dead letters of reason `hold_full`, and a row that fails holds up nobody.
class Holds {
 public:
  // `types`: event types whose failed rows hold up their aggregate; "*": all.
  Holds(std::vector<std::string> types, std::uint64_t rows_max);

  // What holds where the log is read on behind `from`. Rows up to there are replayed: they have
  // their verdict, and change nothing.
  void begin(Offset from, std::span<const HeldRow> rows);

  // Says why the row may not be delivered now; none: judge it, and say the verdict to judged().
  [[nodiscard]] std::optional<FailedRow> held_back(const OutboxRow& row);
  // Sets hold_at in a verdict that holds up the aggregate.
  void judged(const OutboxRow& row, std::optional<FailedRow>& failed);
  // A row that only says that another is withdrawn.
  [[nodiscard]] static bool withdraws(const OutboxRow& row);
  void withdraw(const OutboxRow& row);

  // What the store has to know before the rows count as delivered.
  [[nodiscard]] std::span<const EndedHold> ended() const { return ended_; }
  void ended_is_written() { ended_.clear(); }

  // Rows that wait behind nothing any more, in the order in which they have to be copied, at most
  // so many. They are given again until it is said how many of them are copied.
  [[nodiscard]] std::vector<std::int64_t> to_put_back(std::size_t most) const;
  void put_back(std::size_t count);
  [[nodiscard]] bool wants_put_back() const { return wants_put_back_; }

 private:
  struct Place {
    std::int64_t id = 0;
    Offset hold_at = 0;
    bool asked = false;  // its copy is written
  };
  struct Queue {
    std::deque<Place> places;  // in the order of hold_at
    bool blocked = true;       // by the first
  };
  using Queues = boost::unordered_flat_map<std::string, Queue>;

  [[nodiscard]] Queues::iterator queue_of(std::int64_t id);
  void append(const std::string& aggregate, Queue& queue, Place place);
  void replace(Queue& queue, Place& place, const OutboxRow& row);
  void leave(Queues::iterator queue, std::deque<Place>::iterator place, Offset at);
  [[nodiscard]] bool holds(std::string_view event_type) const;

  std::vector<std::string> types_;
  std::uint64_t rows_max_;
  Offset from_ = 0;
  std::vector<std::int64_t> replayed_;  // sorted
  Queues queues_;
  boost::unordered_flat_map<std::int64_t, std::string> aggregate_of_;  // of each place
  std::vector<EndedHold> ended_;
  bool wants_put_back_ = false;
};

// The name of the row's aggregate among all tenants; empty: it has none.
[[nodiscard]] std::string aggregate_of(const OutboxRow& row);
[[nodiscard]] std::string aggregate_name(std::string_view tenant_id, std::string_view type,
                                         std::string_view id);

}  // namespace ringcast
