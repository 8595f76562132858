// How the source gets past a row that ends the process.
#include <algorithm>
#include <utility>

#include "base/ensure.hpp"
#include "store/source.hpp"

namespace ringcast {

namespace {

// From the mailbox of a home shard to the sockets: there, to the delivering shard, and at most two
// looks at its mailbox in one turn of its loop before the turn sends.
constexpr unsigned kAsks = 4;

}  // namespace

// Rows that were recorded before the start and not noted as delivered may be why there was a start.
bool Source::goes_on_trial(const Window& window) {
  if (window.rows.empty() || window.top <= noted_) return false;
  if (trial_) return true;
  if (std::exchange(start_counted_, true)) return false;
  auto trial = parts_.store->begin_trial(noted_);
  if (!trial) {
    if (trial.error().code == Errc::unavailable) lost(trial.error());
    return false;
  }
  if (trial->starts == 0) return false;  // another daemon has delivered them meanwhile
  trial_ = *trial;
  rows_alone_ = trial_->starts > kStartsMax ? window_rows_max() : 0;
  log::info("outbox: start {} with the rows behind {} undelivered: {}", trial_->starts, noted_,
            rows_alone_ == 0 ? "window by window" : "row by row");
  return true;
}

void Source::advance_trial() {
  if (!open_ || outlets_.waiting()) return;
  OnTrial& at = *on_trial_;
  switch (at.step) {
    case OnTrial::Step::hand_over:
      hand_over_next();
      break;
    case OnTrial::Step::deliver:
      if (!outlets_.all_taken()) return;
      if (--at.asks_left != 0)
        ask_shards();
      else
        at.step = OnTrial::Step::note;
      break;
    case OnTrial::Step::note:
      if (!verdicts_are_written() || !note_trial()) return;
      break;
  }
  credit_wait_ = Nanos{0};
}

// One row, or as many as may be handed over together.
void Source::hand_over_next() {
  OnTrial& at = *on_trial_;
  const std::vector<OutboxRow>& rows = at.window.rows;
  bool alone = false;
  while (at.next < rows.size() && !alone) {
    const OutboxRow& row = rows[at.next];
    if (row.offset > noted_ && rows_alone_ != 0) {
      if (!begin_alone(row)) return;
      alone = true;
    }
    deliver_row(row, at.delivered);
    ++at.next;
  }
  if (at.next == rows.size()) end_window(at.window, at.delivered);
  at.step = OnTrial::Step::deliver;
  at.asks_left = kAsks;
  ask_shards();
}

// False: it could not be written down that the row is begun, so it is not.
bool Source::begin_alone(const OutboxRow& row) {
  OnTrial& at = *on_trial_;
  if (std::exchange(trial_->begun, 0) >= kBegunMax) {
    log::error("outbox: row {} is poison: {} daemons ended while they delivered it alone", row.id,
               kBegunMax);
    poison_.insert(std::lower_bound(poison_.begin(), poison_.end(), row.id), row.id);
  } else {
    if (auto begun = parts_.store->begin_row(noted_); !begun) {
      if (begun.error().code == Errc::unavailable) lost(begun.error());
      return false;
    }
    at.row_begun = true;
  }
  --rows_alone_;
  return true;
}

bool Source::is_poison(std::int64_t id) const {
  return !poison_.empty() && std::binary_search(poison_.begin(), poison_.end(), id);
}

// The position they have: it changes nothing, and comes behind the events.
void Source::ask_shards() { outlets_.queue_for_all(StorePositionMail{status_.top}); }

// The shards are past what was handed over, and what failed of it is written down.
bool Source::note_trial() {
  OnTrial& at = *on_trial_;
  const bool whole = at.next == at.window.rows.size();
  const bool over = whole && !parts_.store->replaying();
  const Offset top = whole ? at.window.top : at.window.rows[at.next - 1].offset;
  const auto noted = over ? parts_.store->note_delivered(top) : parts_.store->note_on_trial(top);
  if (!noted) {
    if (noted.error().code == Errc::unavailable) lost(noted.error());
    return false;
  }
  noted_ = std::max(noted_, top);
  at.row_begun = false;
  at.step = OnTrial::Step::hand_over;
  if (!whole) return true;
  const OnTrial done = *std::exchange(on_trial_, std::nullopt);
  if (over) trial_.reset();
  read_on(done.window, done.delivered, true);
  return true;
}

// This daemon did not die of what it has begun.
void Source::leave_trial() {
  if (!trial_ || !open_) return;
  const Trial counted{1, on_trial_ && on_trial_->row_begun ? 1U : 0U};
  if (auto left = parts_.store->take_back(noted_, counted); !left)
    log::warning("{}: could not leave in order: {}", status_.store, left.error().detail);
}

}  // namespace ringcast
