// The outbox in an SQLite file: the embedded default.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "store/outbox_store.hpp"
#include "store/sqlite_connection.hpp"
#include "store/sqlite_publish.hpp"
#include "store/sqlite_schema.hpp"
#include "store/sqlite_watch.hpp"

namespace ringcast {

// The file's path in a [store] url `sqlite:PATH`, or what is wrong with the url. Thread: start-up.
[[nodiscard]] Result<std::string> sqlite_path(std::string_view url);

// Rows of `ringcast_outbox` in the order of their ids, which is the order of their commits:
// offset = id. A committed row is a recorded one, so reading writes nothing; only where
// [outbox] continuous is false a mark `recorded` in ringcast_meta says how far it was published.
//
// Thread: outbox. One connection; it holds no transaction between calls. A window holds at most
// `limit` rows and, beyond its first row, window_bytes_max of payload; a payload above
// envelope_bytes_max is never read. Waits for another writer's lock at most kBusyTimeoutMs, and
// note_delivered() not at all.
class SqliteStore final : public OutboxStore {
 public:
  static constexpr int kBusyTimeoutMs = 2'000;
  static constexpr int kRetireTimeoutMs = 10;  // retention comes after all who write
  static constexpr std::uint32_t kPollIntervalMs = 1'000;

  // `config` is one after with_default_namespaces() and outlives the store. `boot_id` is that of
  // the running kernel; tests give others.
  SqliteStore(const Config& config, std::string path, std::string boot_id);
  ~SqliteStore() override;

  Result<StoreState> open(std::chrono::seconds history, std::uint64_t replay_bytes_max) override;
  Result<StoreState> reopen() override;
  Result<Window> next(Read read, std::uint32_t limit) override;
  [[nodiscard]] bool replaying() const override;
  Result<void> fail(std::span<const FailedRow> rows) override;
  Result<void> end_holds(std::span<const EndedHold> ended) override;
  Result<void> put_back(std::span<const std::int64_t> ids) override;
  Result<void> note_delivered(Offset top) override;
  Result<void> note_on_trial(Offset top) override;
  Result<Trial> begin_trial(Offset delivered) override;
  Result<void> begin_row(Offset delivered) override;
  Result<void> take_back(Offset delivered, const Trial& counted) override;
  Result<std::vector<Result<Appended>>> append(std::span<const PlainRow> rows) override;
  Result<bool> retire() override;
  Result<bool> is_recorded(Offset offset) override;
  Result<Backlog> backlog() override;
  Result<Trouble> trouble() override;
  Instant arm(std::vector<pollfd>& fds, Instant now) override;
  bool woke(std::span<const pollfd> fds, Instant now) override;
  [[nodiscard]] std::string describe() const override;

 private:
  enum class Numbering : std::uint8_t { goes_on, new_epoch, went_back };

  // What exists only while the file is open. The connection is destroyed last.
  struct Open {
    SqliteConnection connection;
    std::string inode;
    SqliteStatement epoch;
    SqliteStatement recorded;
    SqliteStatement rows;
    SqliteStatement top;
    SqliteStatement data_version;
    std::unique_ptr<SqlitePublish> publish;
    std::unique_ptr<SqliteWatch> watch;
  };

  Result<void> connect();
  Result<void> prepare(Open& open);
  Result<void> enter(Open& open);
  Result<void> place_cursor();
  Result<Numbering> numbering();
  Result<void> check_numbering();
  Result<void> read_window(Window& window, Read read, std::uint32_t limit);
  Result<void> read_rows(Window& window, Offset up_to, std::uint32_t limit);
  Result<Offset> recorded_up_to();
  Result<Offset> delivered_up_to();
  Result<void> note(Offset top, std::string_view sql);
  Result<StoreState> with_delivered();
  Result<Offset> top_id();
  Result<void> record(Offset top);
  Result<bool> retire_page();
  [[nodiscard]] Result<std::string> inode_of_path() const;
  [[nodiscard]] std::optional<std::int64_t> data_version();

  const Config& config_;
  std::string path_;
  std::string boot_id_;
  std::string daemon_id_;
  std::chrono::seconds history_{0};
  std::uint64_t replay_bytes_max_ = 0;
  StoreState state_;
  Epoch cursor_epoch_;  // the cursor has a meaning in this epoch alone; empty: not yet placed
  Offset cursor_ = 0;
  Offset replay_top_ = 0;                  // what was recorded when the cursor was placed
  std::optional<std::int64_t> seen_data_;  // as of the last read
  std::optional<Open> open_;
};

// The store of a [store] url that begins with `sqlite:`. Thread: start-up.
[[nodiscard]] Result<std::unique_ptr<OutboxStore>> make_sqlite_store(const Config& config);

}  // namespace ringcast
