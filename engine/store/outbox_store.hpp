// The interface behind which SQLite and PostgreSQL are the same outbox.
#pragma once

#include <poll.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "message/outbox_row.hpp"
#include "store/holds.hpp"

namespace ringcast {

// Rows that are delivered together, in order, at positions that no crash changes any more.
struct Window {
  std::vector<OutboxRow> rows;    // ascending offsets; empty: nothing new
  std::shared_ptr<void> memory;   // of the rows' text
  Offset top = 0;                 // after these rows, everything up to here was delivered
  bool more = false;              // read on at once
  bool ours = true;               // this daemon recorded it; false: another did
  bool begins_after_gap = false;  // rows of it were deleted meanwhile: history starts behind it
};

struct StoreState {
  Epoch epoch;           // random, made with the database, renewed by restore, failover, rebase
  Offset floor = 0;      // positions >= floor can be recovered once the replay is over
  Offset delivered = 0;  // what note_delivered() was told last, by any daemon
  std::vector<std::int64_t> poison{};  // ids of rows that are never to be delivered again
  // Rows up to `delivered` that are or were in a hold, by hold_at: those above the floor, and open.
  std::vector<HeldRow> held{};
};

struct Backlog {
  std::uint64_t rows = 0;  // committed and not yet read by this daemon
  std::optional<double> oldest_seconds;
};

// What is known of daemons that ended without having noted a position behind the last one.
struct Trial {
  std::uint32_t starts = 0;  // of daemons that found recorded rows behind it, this one included
  std::uint32_t begun = 0;   // how often the first row behind it was begun alone
};

// What somebody should look at.
struct Trouble {
  std::uint64_t dead = 0;        // failed rows that nobody has redriven or dropped
  std::uint64_t held = 0;        // rows that wait behind one of them
  std::uint64_t holds = 0;       // those of `dead` that hold up their aggregate
  Millis oldest_transaction{0};  // how long one has been open on this database; 0: none is seen
};

// Thread: outbox. One object a daemon, made by wiring, used by store/source.hpp alone. Calls block,
// each bounded by the store's own time-outs, and may be made only after open() succeeded. After an
// error of kind `unavailable` the connection is considered lost: the source calls open() again.
class OutboxStore {
 public:
  // record_on: as `record`, and the caller comes for the windows that follow, so that a backlog's
  // next ones may be recorded while this one is delivered.
  enum class Read : std::uint8_t { record, record_on, recorded_only };

  virtual ~OutboxStore() = default;

  // Connects, migrates or checks the schema, and puts the cursor `history` back in time, but at
  // most replay_bytes_max of payload: next() then first gives the windows recorded since.
  virtual Result<StoreState> open(std::chrono::seconds history, std::uint64_t replay_bytes_max) = 0;

  // Connects again after `unavailable` without moving the cursor: rows already given do not come
  // again, unless the epoch has changed.
  virtual Result<StoreState> reopen() = 0;

  // The window after the cursor, and moves the cursor behind it. With `record`, one that nobody has
  // recorded yet is recorded, durably, before it is returned. `limit` <= 8,191 rows.
  virtual Result<Window> next(Read read, std::uint32_t limit) = 0;

  // While a window is delivered: takes what the database has sent ahead, so that neither waits for
  // the other. Does not block.
  virtual void take_ahead() {}

  // Whether next() still gives windows that were recorded before open().
  [[nodiscard]] virtual bool replaying() const = 0;

  // Rows that can not be delivered: dead letters. Idempotent: daemons and restarts report the same
  // row again. A row that was redriven carries on the count of its attempts.
  virtual Result<void> fail(std::span<const FailedRow> rows) = 0;

  // Rows that fail() has written and that are in no hold any more. Idempotent, as fail() is.
  virtual Result<void> end_holds(std::span<const EndedHold> ended) = 0;

  // Writes each of these rows once more if it still waits (reason `held`), in this order; another
  // daemon may do the same at this moment.
  virtual Result<void> put_back(std::span<const std::int64_t> ids) = 0;

  // Everything up to `top` was delivered, and what failed of it was given to fail() before: only
  // now do its rows stop being pending for the application. Never goes back. `rate_limited`: a
  // writer is in the way; to be asked again soon.
  virtual Result<void> note_delivered(Offset top) = 0;

  // As note_delivered(), but the starts that are counted go on counting: there is more to try.
  virtual Result<void> note_on_trial(Offset top) = 0;

  // Counts a start, if `delivered` is still the position noted last; else nothing is on trial.
  virtual Result<Trial> begin_trial(Offset delivered) = 0;

  // Counts, durably, that the first row behind `delivered` is begun, if that is still the position.
  virtual Result<void> begin_row(Offset delivered) = 0;

  // A daemon ends in order: what it has counted behind `delivered` is taken back.
  virtual Result<void> take_back(Offset delivered, const Trial& counted) = 0;

  // One transaction for all of them; an outcome each, in order. CONFLICT: the same key, other
  // bytes.
  virtual Result<std::vector<Result<Appended>>> append(std::span<const PlainRow> rows) = 0;

  // One bounded step of [outbox] retention_days: removes, or archives first, some of what is old
  // and delivered. No writer waits for it longer than for another writer. True: there is more. Not
  // called where that is 0.
  virtual Result<bool> retire() = 0;

  virtual Result<bool> is_recorded(Offset offset) = 0;
  virtual Result<Backlog> backlog() = 0;
  virtual Result<Trouble> trouble() = 0;

  // Sleeping. arm() says what to poll for (appended to `fds`) and until when at the latest; after
  // poll() returned, woke() looks at the answers and says whether next() is worth a call.
  virtual Instant arm(std::vector<pollfd>& fds, Instant now) = 0;
  virtual bool woke(std::span<const pollfd> fds, Instant now) = 0;

  [[nodiscard]] virtual std::string describe() const = 0;  // without secrets, for log and /readyz
};

}  // namespace ringcast
