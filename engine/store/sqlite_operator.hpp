// The operator's view of an outbox in an SQLite file.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "store/outbox_operator.hpp"
#include "store/sqlite_connection.hpp"

namespace ringcast {

// Thread: start-up; one connection, opened by open(), that makes no file and no table.
class SqliteOperator final : public OutboxOperator {
 public:
  // `url` is a [store] url `sqlite:PATH`.
  static Result<std::unique_ptr<OutboxOperator>> open(std::string_view url);

  Result<OutboxOverview> overview() override;
  Result<std::vector<DeadLetter>> list(const DeadLetterFilter& filter) override;
  Result<DeadLetter> show(std::int64_t id) override;
  Result<std::int64_t> redrive(std::int64_t id) override;
  Result<void> drop(std::int64_t id) override;
  Result<Epoch> rebase() override;
  Result<ArchiveOutcome> archive(const ArchiveOrder& order) override;

 private:
  SqliteOperator(SqliteConnection connection, std::string path)
      : connection_(std::move(connection)), path_(std::move(path)) {}
  Result<DeadLetter::State> state_of(std::int64_t id);
  Result<void> set_state(std::int64_t id, DeadLetter::State state,
                         std::optional<std::int64_t> redriven_as);

  SqliteConnection connection_;
  std::string path_;
};

}  // namespace ringcast
