// What an operator sees and does of an outbox, whatever database it is in.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "message/event.hpp"

namespace ringcast {

struct OutboxOverview {
  struct Window {
    std::int64_t no = 0;
    std::uint64_t rows = 0;
    double seconds_ago = 0;
  };
  struct Transaction {
    std::int64_t pid = 0;
    std::string application;
    double seconds = 0;
  };
  struct Daemon {
    std::string name;
    bool armed = false;        // it sleeps, writers notify it
    double lease_seconds = 0;  // until its lease ends; below 0: it has ended
  };

  std::string store;  // without secrets
  Epoch epoch;
  Offset delivered = 0;
  std::uint64_t pending = 0;              // committed and not delivered
  std::optional<double> pending_seconds;  // how long the oldest of them has waited
  std::uint64_t dead = 0;
  std::uint64_t held = 0;             // rows that wait behind a dead one of their aggregate
  std::uint64_t holds = 0;            // of the dead ones, those behind which rows have to wait
  std::optional<Window> last_window;  // PostgreSQL only, like the two that follow
  std::optional<Transaction> oldest_transaction;
  std::vector<Daemon> daemons;
};

struct DeadLetter {
  enum class State : std::uint8_t { held = 1, dead = 2, redriven = 3, dropped = 4 };

  std::int64_t id = 0;
  State state = State::dead;
  std::string reason;
  std::string error;
  std::int64_t attempts = 0;
  std::string first_at;  // RFC 3339
  std::string last_at;
  std::string event_id;
  // Of the row itself; empty if it is no longer there.
  std::string tenant_id;
  std::string aggregate_type;
  std::string aggregate_id;
  std::string event_type;
  std::string room;
  std::string payload;  // of show() alone, its first kDeadLetterPayloadMax octets
  std::int64_t payload_bytes = 0;
  std::optional<std::int64_t> redrive_of;
  std::optional<std::int64_t> redriven_as;
};

inline constexpr std::int64_t kDeadLetterPayloadMax = 65'536;
inline constexpr std::uint32_t kDeadLettersMax = 10'000;  // of one list()

// What is empty does not narrow the choice.
struct DeadLetterFilter {
  std::string event_type = {};
  std::string tenant_id = {};
  std::string before = {};    // RFC 3339: failed last before then
  bool all_states = false;    // also those that were redriven or dropped
  bool held = true;           // also rows that only wait behind a dead one
  std::int64_t after_id = 0;  // for the next page
  std::uint32_t limit = 100;  // <= kDeadLettersMax
};

// What archive() is to do with the rows that were made before the day began, in UTC.
struct ArchiveOrder {
  enum class After : std::uint8_t { remove, keep };
  std::string before_day;  // YYYY-MM-DD
  std::string file;        // appended to
  After after = After::remove;
};

struct ArchiveOutcome {
  std::uint64_t rows = 0;         // written
  std::vector<std::string> kept;  // what stays, and why; a sentence each
};

// Why the letter's row can not be redriven or dropped, if it is in another state than `dead`.
[[nodiscard]] Error not_dead(std::int64_t id, DeadLetter::State state);

// One connection of an operator's command. It makes no schema and records nothing that a daemon
// would; what it changes is one row and one transaction at a time.
//
// Thread: start-up. Lives for one command. Errors: `not_found` for a row that is not there,
// `conflict` for one that is in another state, else what is wrong with the database.
class OutboxOperator {
 public:
  virtual ~OutboxOperator() = default;

  virtual Result<OutboxOverview> overview() = 0;
  virtual Result<std::vector<DeadLetter>> list(const DeadLetterFilter& filter) = 0;  // by id
  virtual Result<DeadLetter> show(std::int64_t id) = 0;

  // Writes the dead row once more, as a row of its own with the same event_id, and notes that it
  // was redriven. Gives the new row's id. What waits behind the row is the daemons' to write.
  virtual Result<std::int64_t> redrive(std::int64_t id) = 0;
  // Notes that nobody will redrive it, dead or held; what waits behind it goes on.
  virtual Result<void> drop(std::int64_t id) = 0;

  // A new epoch; see ringcast.rebase(). Gives it.
  virtual Result<Epoch> rebase() = 0;

  // Rows go to the disk before they are removed, so an interruption loses none; it may leave some
  // in the file that stand in the table as well, and that the next run writes again.
  virtual Result<ArchiveOutcome> archive(const ArchiveOrder& order) = 0;
};

}  // namespace ringcast
