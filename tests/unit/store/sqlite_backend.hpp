// SQLite as the store suite and the other tests see it: a file in a folder of its own.
#pragma once

#include <sqlite3.h>

#include <filesystem>
#include <string>

#include "store/sqlite_store.hpp"
#include "unit/store/store_backend.hpp"

namespace ringcast {

// The application's own connection, with the application's own pragmas.
class Database {
 public:
  explicit Database(const std::string& path);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;
  bool execute(const std::string& sql);      // false: refused, see error()
  std::string text(const std::string& sql);  // first column of the first row
  [[nodiscard]] std::string error() const { return sqlite3_errmsg(connection_); }

 private:
  sqlite3* connection_ = nullptr;
};

class SqliteBackend final : public StoreBackend {
 public:
  SqliteBackend();
  ~SqliteBackend() override;
  std::unique_ptr<OutboxStore> make_store(const Config& config) override;
  Result<std::unique_ptr<OutboxOperator>> make_operator() override;
  std::unique_ptr<OutboxWriter> make_writer() override;
  void drop_and_remake() override;
  void age_by(std::chrono::seconds seconds) override;
  std::size_t failed_rows() override;
  std::string status(const std::string& aggregate_id) override;
  void write_old(const std::string& aggregate_id, int days) override;
  std::string rows_left() override;
  void redrive(const std::string& aggregate_id, const std::string& as) override;

  [[nodiscard]] std::string folder() const { return folder_.string(); }
  [[nodiscard]] std::string path() const { return (folder_ / "app.db").string(); }

  std::string boot_id = "boot-1";

 private:
  std::filesystem::path folder_;
};

}  // namespace ringcast
