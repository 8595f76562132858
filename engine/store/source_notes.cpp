// What the source writes down of rows it has handed over: verdicts, holds, positions; and the look
// after what is old.
#include <utility>

#include "base/failpoint.hpp"
#include "store/source.hpp"

namespace ringcast {

void Source::write_failed() {
  if (failed_.empty() || !open_ || !writing_.due(now())) return;
  const auto written = parts_.store->fail(failed_);
  if (written) {
    writing_.succeeded();
    failed_.clear();
    trouble_at_ = now();
    return;
  }
  writing_.failed(now());
  if (written.error().code == Errc::unavailable) lost(written.error());
}

bool Source::verdicts_are_written() const { return failed_.empty() && holds_.ended().empty(); }

// Behind the failed rows: what ends a hold or is put back has to be known as failed.
void Source::write_holds() {
  if (!failed_.empty() || !open_ || !writing_.due(now())) return;
  if (holds_.ended().empty() && !holds_.wants_put_back()) return;
  Result<void> written = parts_.store->end_holds(holds_.ended());
  if (written) {
    holds_.ended_is_written();
    const auto ids = holds_.to_put_back(kPutBackMax);
    if (!ids.empty()) written = parts_.store->put_back(ids);
    if (written) {
      holds_.put_back(ids.size());
      writing_.succeeded();
      read_wanted_ = read_wanted_ || !ids.empty();
      trouble_at_ = now();
      return;
    }
  }
  writing_.failed(now());
  log::warning(warn_limiter_, "{}: rows that were held are not put back yet: {}", status_.store,
               written.error().detail);
  if (written.error().code == Errc::unavailable) lost(written.error());
}

void Source::note_delivered() {
  if (!open_ || trial_) return;
  if (!to_note_) {
    if (status_.top <= noted_ || outlets_.waiting() || !verdicts_are_written()) return;
    to_note_ = status_.top;
    note_at_ = now() + kNoteAfter;
  }
  if (now() < note_at_) return;
  failpoint("settle");
  const auto noted = parts_.store->note_delivered(*to_note_);
  if (noted) {
    noting_.succeeded();
    noted_ = *std::exchange(to_note_, std::nullopt);
    return;
  }
  note_at_ = now() + noting_.next();
  if (noted.error().code == Errc::unavailable) lost(noted.error());
}

// Without a wake-up of its own: a store that sleeps polls often enough.
void Source::look_for_trouble() {
  if (!open_ || now() < trouble_at_) return;
  trouble_at_ = now() + kTroubleEvery;
  const auto trouble = parts_.store->trouble();
  if (trouble) {
    status_.trouble = *trouble;
    changed_ = true;
  } else if (trouble.error().code == Errc::unavailable) {
    lost(trouble.error());
  }
}

// Only what was delivered goes, so the replay comes first.
void Source::retire() {
  if (!open_ || !ready_ || parts_.config.outbox.retention_days == 0 || now() < retire_at_) return;
  const auto more = parts_.store->retire();
  retire_at_ = now() + (more && *more ? kRetireOn : kRetireEvery);
  if (more) return;
  if (more.error().code == Errc::unavailable) return lost(more.error());
  log::warning(warn_limiter_, "{}: old rows stay: {}", status_.store, more.error().detail);
}

}  // namespace ringcast
