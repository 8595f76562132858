// The outbox thread: from the store's windows to the shards, and the questions of the shards to it.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/log.hpp"
#include "config/config.hpp"
#include "message/envelope.hpp"
#include "message/mail.hpp"
#include "metrics/source_metrics.hpp"
#include "queue/mailbox.hpp"
#include "queue/wakeup.hpp"
#include "store/backoff.hpp"
#include "store/event_schemas.hpp"
#include "store/holds.hpp"
#include "store/outbox_store.hpp"
#include "store/shard_outlets.hpp"

namespace ringcast {

// How the source is, for /readyz and metrics. Counters only grow.
struct SourceStatus {
  enum class State : std::uint8_t { opening, replaying, ready, lost };
  State state = State::opening;
  std::string store;     // which store, without secrets
  std::string detail;    // why it is not open; empty while it is
  bool refused = false;  // it was reached, and is not as it has to be
  Epoch epoch;
  Offset top = 0;  // handed over up to here
  // By the time of the oldest row that is not handed over yet, as far as it is known; none: the
  // source has caught up. What is replayed does not count: it was delivered before the start.
  std::optional<WallTime> behind_since{};
  std::uint64_t polls_empty = 0;  // looks at the store that found nothing
  std::uint64_t polls_full = 0;
  std::uint64_t replayed = 0;  // of `rows`, those that were recorded before the store was opened
  std::uint64_t windows = 0;
  std::uint64_t window_rows = 0;  // of the last window that had any
  std::uint64_t rows = 0;
  std::uint64_t events = 0;
  std::array<std::uint64_t, kFailReasons.size()> rows_failed{};  // by the index of the reason
  std::uint64_t rows_above_warn = 0;
  std::uint64_t appended = 0;
  std::uint64_t opens = 0;
  std::uint64_t open_failures = 0;
  Trouble trouble;   // as of the last look, at most one in kTroubleEvery
  Nanos blocked{0};  // waited for credits of a shard
};

struct SourceParts {
  std::unique_ptr<OutboxStore> store;
  Mailbox<SourceMail>::Receiver mail;
  Wakeup& wakeup;                                  // of `mail`
  std::vector<Mailbox<ShardMail>::Sender> shards;  // by index of the shard
  const Config& config;                            // after with_default_namespaces()
  EventSchemas schemas;
  // Called on the outbox thread after each turn that changed something; must not block.
  std::function<void(const SourceStatus&)> report;
};

// The only user of the OutboxStore. Reads a window only when every event of the one before is in
// its home shard's mailbox, so what it holds is bounded by one window; meanwhile it goes on
// answering. What it has handed over it notes in the store a second later, when the shards have
// had time to deliver it: so a position that is noted was delivered, and there is one write a
// second at most. A store that is gone is opened again, with Backoff, until then whoever asks gets
// UNAVAILABLE at once; an opening after which it is soon lost again counts as a failure. No error
// of the store is ever the verdict of a row.
//
// Thread: outbox; constructed at start-up, run() in a thread of its own until a StopMail.
// The store is closed when run() ends.
class Source final {
 public:
  static constexpr Backoff::Range kRetry{Millis{50}, Millis{5'000}};
  static constexpr Backoff::Range kBusyRetry{Millis{20}, Millis{1'000}};
  static constexpr std::size_t kMailsPerTurn = 1'000;  // hence rows in one append()
  static constexpr std::size_t kReadNowMax = 64;       // waiting ones; beyond: UNAVAILABLE
  static constexpr std::size_t kFailedMax = 10'000;    // waiting to be written; beyond: no reading
  static constexpr std::size_t kPutBackMax = 500;      // rows of one put_back()
  static constexpr Millis kNoteAfter{1'000};
  static constexpr Millis kTroubleEvery{15'000};
  static constexpr std::uint32_t kStartsMax = 1;  // by windows; beyond: row by row
  static constexpr std::uint32_t kBegunMax = 3;   // a row that was begun so often is poison
  static constexpr Millis kRetireEvery{60'000};
  static constexpr Millis kRetireOn{100};  // while there is more to remove: others want the store

  explicit Source(SourceParts parts);
  void run();

 private:
  std::size_t take_mail();
  void take(SourceMail&& mail);
  void answer_appends();
  void append(std::vector<AppendMail>& good);
  [[nodiscard]] Result<void> check_append(const PlainRow& row);
  void answer_is_recorded();
  void answer_read_now();
  void refuse_read_now(const Error& why);
  void refuse_all(const Error& why);
  void publish_answer(const ReplyTo& reply_to, std::string room, Result<Appended> outcome);

  void open_store();
  void opened(StoreState state);
  void lost(const Error& why);
  void set_state(SourceStatus::State state);

  void read();
  std::optional<Window> next(OutboxStore::Read read, std::uint32_t limit);
  struct Delivered {
    std::uint64_t good = 0;
    std::uint64_t failed = 0;
    bool moved = false;  // there was something
    std::optional<WallTime> oldest{};
  };
  Delivered deliver(const Window& window);
  void deliver_row(const OutboxRow& row, Delivered& delivered);
  void end_window(const Window& window, Delivered& delivered);
  void read_on(const Window& window, const Delivered& delivered, bool replays);
  std::optional<FailedRow> deliver(const OutboxRow& row, Delivered& delivered);
  void note_lag();
  void announce_replayed();
  void write_failed();
  [[nodiscard]] bool verdicts_are_written() const;
  void write_holds();
  void note_delivered();
  void look_for_trouble();
  void retire();

  // source_trial.cpp: how it gets past a row that ends the process.
  [[nodiscard]] bool goes_on_trial(const Window& window);
  void advance_trial();
  bool begin_alone(const OutboxRow& row);
  void hand_over_next();
  void ask_shards();
  bool note_trial();
  [[nodiscard]] bool is_poison(std::int64_t id) const;
  void leave_trial();
  [[nodiscard]] std::uint32_t window_rows_max() const;

  void sleep();
  [[nodiscard]] bool wants_to_read() const;
  [[nodiscard]] Instant now() const { return clock_.now(); }

  SourceParts parts_;
  SystemClock clock_;
  ShardOutlets outlets_;
  EnvelopeLimits limits_;
  SourceStatus status_;
  bool changed_ = true;  // status_ is to be reported

  bool stopping_ = false;
  bool open_ = false;
  bool ready_ = false;  // the shards know that the replay is over
  Offset floor_ = 0;
  bool read_wanted_ = false;
  bool more_behind_ = false;    // the last window was not the last there is
  bool record_wanted_ = false;  // what was appended is to be recorded, also if not continuous
  Backoff opening_;
  Backoff reading_;  // the store was busy
  Backoff writing_;  // of verdicts and holds
  Backoff noting_;
  Instant opened_at_{};
  Nanos credit_wait_{0};
  Offset noted_ = 0;               // delivered, as the store knows it
  std::optional<Offset> to_note_;  // handed over kNoteAfter before note_at_
  Instant note_at_{};
  Instant trouble_at_{};
  Instant retire_at_{};
  log::Limiter warn_limiter_;
  log::Limiter failed_limiter_;

  std::vector<AppendMail> appends_;
  std::vector<IsRecordedMail> asked_;
  // A window of rows that were recorded before the start and not noted as delivered.
  struct OnTrial {
    enum class Step : std::uint8_t { hand_over, deliver, note };
    Window window;
    Delivered delivered;
    Step step = Step::hand_over;
    std::size_t next = 0;    // row to be handed over
    unsigned asks_left = 0;  // of the shards, until what they have is delivered
    bool row_begun = false;  // counted by begin_row()
  };
  std::optional<OnTrial> on_trial_;
  std::optional<Trial> trial_;  // counted by this daemon and not over
  bool start_counted_ = false;
  std::uint64_t rows_alone_ = 0;      // so many are still handed over one by one
  std::vector<std::int64_t> poison_;  // sorted
  std::deque<ReadNowMail> read_now_;
  std::vector<FailedRow> failed_;
  Holds holds_;
};

}  // namespace ringcast
