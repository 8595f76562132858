// What PgStore asks of the mode in which the outbox is read.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "pg/connection.hpp"
#include "pg/snapshot.hpp"
#include "store/outbox_store.hpp"

namespace ringcast::pg {

// Thread: outbox. Lives as long as the store, over many connections; the calls are those of
// OutboxStore, on the connection that is open now.
class Reader {
 public:
  virtual ~Reader() = default;

  virtual Result<StoreState> start(Connection& connection, const std::string& epoch,
                                   std::chrono::seconds history,
                                   std::uint64_t replay_bytes_max) = 0;
  virtual Result<StoreState> resume(Connection& connection, const std::string& epoch) = 0;
  virtual Result<Window> next(Connection& connection, OutboxStore::Read read,
                              std::uint32_t limit) = 0;
  virtual Result<Backlog> unread(Connection& connection) = 0;
  [[nodiscard]] virtual bool replaying() const = 0;

  // The line of a plan that reads a whole leaf where an index should be used, if there is one.
  virtual Result<std::optional<std::string>> whole_leaf_scan(Connection& connection) = 0;
  // Every transaction below has ended as the last look at the table saw it.
  [[nodiscard]] virtual Xid seen_below() const = 0;
};

}  // namespace ringcast::pg
