// The outbox in PostgreSQL, read in window mode; status_store.hpp derives the other mode from it.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "pg/append.hpp"
#include "pg/connection.hpp"
#include "pg/listener.hpp"
#include "pg/reader.hpp"
#include "pg/retention.hpp"
#include "pg/window_reader.hpp"
#include "store/outbox_store.hpp"

namespace ringcast::pg {

// OutboxStore over two connections: one reads, records and appends, the other listens.
//
// Thread: outbox. One a daemon; any number of daemons may run on one database. Calls end within
// Timeouts. open() tells mistakes of the configuration from a database that is away; afterwards
// every failure is `unavailable`, because what worked once an operator can make work again.
// Every 10 s next() also prunes: windows older than the history and a day, and publish keys.
class PgStore : public OutboxStore {
 public:
  struct Settings {
    std::string url;
    StoreConfig::Migrate migrate = StoreConfig::Migrate::apply;
    WindowReader::Limits limits;
    DedupeLimits dedupe;
    Listener::Pace pace;
    Timeouts timeouts;
    std::string node = random_node();  // this daemon's name in ringcast.reader
    std::uint32_t retention_days = 7;  // 0: partitions stay
    std::string archive_folder;
  };
  explicit PgStore(Settings settings);

  Result<StoreState> open(std::chrono::seconds history, std::uint64_t replay_bytes_max) override;
  Result<StoreState> reopen() override;
  Result<Window> next(Read read, std::uint32_t limit) override;
  void take_ahead() override;
  [[nodiscard]] bool replaying() const override { return reader_->replaying(); }
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

 protected:
  PgStore(Settings settings, std::unique_ptr<Reader> reader);

  // The database is read in this mode, else an error; called on each new connection.
  virtual Result<void> check_mode(Connection& connection);
  virtual Result<std::string> settle_epoch(Connection& connection);
  // $1 ids, $2 event ids, $3 reasons, $4 errors, $5 offsets, $6 FailedRow::hold_at.
  [[nodiscard]] virtual const Statement& fail_statement() const;
  // Before ringcast.progress says that everything up to `top` was delivered.
  virtual Result<void> settle_rows(Connection& /*connection*/, Offset /*top*/) { return {}; }

  static Result<std::string> mode_of(Connection& connection);
  [[nodiscard]] const Settings& settings() const { return settings_; }
  [[nodiscard]] Connection* connection() { return connection_ ? &*connection_ : nullptr; }

 private:
  Result<StoreState> open_at(std::chrono::seconds history, std::uint64_t replay_bytes_max);
  Result<std::string> connect();
  Result<void> check_sequence();
  Result<StoreState> with_delivered(StoreState state);
  Result<Rows> ask(const Statement& statement, const Params& params);
  Error away(Error error);
  void keep_up(Instant now);
  void make_leaves(Instant now);
  Result<void> prune();

  Settings settings_;
  std::unique_ptr<Reader> reader_;
  Listener listener_;
  Retention retention_;
  std::optional<Connection> connection_;
  std::chrono::seconds history_{0};
  std::string described_ = "PostgreSQL, not connected yet";
  Instant keep_up_at_{};
  Instant leaves_at_{};
};

[[nodiscard]] PgStore::Settings store_settings(const StoreConfig& store, const OutboxConfig& outbox,
                                               const DedupeLimits& dedupe);

// What wiring calls. `dedupe` comes from the namespaces with history `store`.
[[nodiscard]] std::unique_ptr<OutboxStore> make_pg_store(const StoreConfig& store,
                                                         const OutboxConfig& outbox,
                                                         const DedupeLimits& dedupe);

}  // namespace ringcast::pg
