// The outbox in PostgreSQL, read in status mode: each row says itself what became of it.
#pragma once

#include <string>

#include "pg/pg_store.hpp"

namespace ringcast::pg {

// PgStore with a StatusReader. A row is `pending` until its position is noted as delivered, then
// `published`, or `failed` with reason, error and attempts, which are those of ringcast.failed.
//
// Thread: outbox. One a daemon; all daemons of a database are in one mode: the first makes it
// status mode where nothing was recorded yet, otherwise the schema's owner does. At its end the
// daemon gives its leases back, so that another goes on at once.
class StatusStore final : public PgStore {
 public:
  explicit StatusStore(Settings settings);
  ~StatusStore() override;
  StatusStore(const StatusStore&) = delete;
  StatusStore& operator=(const StatusStore&) = delete;

 private:
  Result<void> check_mode(Connection& connection) override;
  Result<std::string> settle_epoch(Connection& connection) override;
  [[nodiscard]] const Statement& fail_statement() const override;
  Result<void> settle_rows(Connection& connection, Offset top) override;
};

}  // namespace ringcast::pg
