// The operator's view of an outbox in PostgreSQL.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "pg/connection.hpp"
#include "pg/retention.hpp"
#include "store/outbox_operator.hpp"

namespace ringcast::pg {

// Thread: start-up; one connection, opened by open(), that makes no schema. It needs the rights of
// ringcast.grant_daemon(), rebase() those of the schema's owner; sessions of other roles are seen
// by members of pg_read_all_stats only.
class PgOperator final : public OutboxOperator {
 public:
  static Result<std::unique_ptr<OutboxOperator>> open(const std::string& url);

  Result<OutboxOverview> overview() override;
  Result<std::vector<DeadLetter>> list(const DeadLetterFilter& filter) override;
  Result<DeadLetter> show(std::int64_t id) override;
  Result<std::int64_t> redrive(std::int64_t id) override;
  Result<void> drop(std::int64_t id) override;
  Result<Epoch> rebase() override;
  Result<ArchiveOutcome> archive(const ArchiveOrder& order) override;

 private:
  explicit PgOperator(Connection connection) : connection_(std::move(connection)) {}
  Result<void> add_daemons(OutboxOverview& out);
  Error why_not(std::int64_t id);
  Result<void> archive_leaf(const OldLeaf& leaf, ArchiveFile& file, ArchiveOutcome& outcome);

  Connection connection_;
};

}  // namespace ringcast::pg
