// A database as the tests of a store need it: made, written to, broken and looked into.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "config/config.hpp"
#include "store/outbox_operator.hpp"
#include "store/outbox_store.hpp"

namespace ringcast {

// What an application writes. Rows are recognised by aggregate_id: a database may write the payload
// in another form than it was given in.
struct RowToWrite {
  std::string aggregate_id;
  std::string payload = R"({"n":1})";
  std::string tenant_id = "42";
  std::string event_type = "kitchen.task.claimed";
  std::optional<std::string> room = std::nullopt;
  std::string aggregate_type = "Task";
  std::string exclude_user = "";    // empty: null
  std::string conflation_key = "";  // empty: null
};

// An application's connection of its own. Each failure of the database but a refused row is a test
// failure.
class OutboxWriter {
 public:
  virtual ~OutboxWriter() = default;
  virtual void begin() = 0;
  virtual bool insert(const RowToWrite& row) = 0;  // false: refused by the database
  virtual void commit() = 0;
  virtual void roll_back() = 0;

  void write(const RowToWrite& row) {
    begin();
    EXPECT_TRUE(insert(row)) << row.aggregate_id;
    commit();
  }
};

// One fresh database, made by the constructor and removed by the destructor.
class StoreBackend {
 public:
  virtual ~StoreBackend() = default;
  // The store of one daemon, not yet open. `config` outlives it.
  virtual std::unique_ptr<OutboxStore> make_store(const Config& config) = 0;
  virtual Result<std::unique_ptr<OutboxOperator>> make_operator() = 0;
  // Works once a store was open: the store makes the tables.
  virtual std::unique_ptr<OutboxWriter> make_writer() = 0;
  // Drops the database under the stores' feet and leaves an empty one in its place.
  virtual void drop_and_remake() = 0;
  // Makes all that was written and recorded look so much older.
  virtual void age_by(std::chrono::seconds seconds) = 0;
  // How many rows the database keeps as failed.
  virtual std::size_t failed_rows() = 0;
  // The application's words for the row, as the view of the store says them: "status reason
  // attempts", with - for no reason.
  virtual std::string status(const std::string& aggregate_id) = 0;
  // Writes a row that looks as if it was written so many days ago.
  virtual void write_old(const std::string& aggregate_id, int days) = 0;
  // The aggregate ids of all rows in the outbox, in the order of their ids, with a space between.
  virtual std::string rows_left() = 0;
  // Writes the row once more, as an operator's redrive does.
  virtual void redrive(const std::string& aggregate_id, const std::string& as) = 0;
};

}  // namespace ringcast
