// A database of its own for each test, on the server that RINGCAST_TEST_PG names.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "message/uuid.hpp"
#include "pg/connection.hpp"
#include "pg/pg_store.hpp"

namespace ringcast::pg {

inline constexpr const char* kNoServer =
    "RINGCAST_TEST_PG is not set: run these tests by `scripts/postgres run build/.../test_pg`";

// Replaces a part of the URL. The test's URL is postgresql://USER[:PASSWORD]@HOST:PORT/DATABASE.
std::string with_database(const std::string& url, std::string_view database);
std::string with_user(const std::string& url, std::string_view user);

// Creates a database at construction and drops it at the end, whoever is still connected. `current`
// copies one that was migrated before, which is ten times quicker.
class TestDatabase final {
 public:
  enum class Schema : std::uint8_t { current, none };
  explicit TestDatabase(Schema schema = Schema::current);
  ~TestDatabase();
  TestDatabase(const TestDatabase&) = delete;
  TestDatabase& operator=(const TestDatabase&) = delete;

  [[nodiscard]] const std::string& url() const { return url_; }
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] static const std::string& admin_url();

  // Against the administrator's database.
  static void admin(const std::string& sql);
  void drop();
  void create(Schema schema = Schema::current);

 private:
  std::string name_;
  std::string url_;
};

// A session of an application: statements that must succeed.
class Session final {
 public:
  explicit Session(const std::string& url);
  void run(const std::string& sql);
  std::string value(const std::string& sql);     // first column of the first row, as text
  std::string sqlstate(const std::string& sql);  // of the error that is expected
  Connection& connection() { return connection_; }

  // A row of kind envelope whose aggregate_id is `name`, in the transaction that is open, if any.
  void insert(std::string_view name, std::size_t payload_bytes = 2);

 private:
  Connection connection_;
};

// A leaf for a day relative to today, made as a DBA would, for any day.
std::string make_leaf(Session& owner, int days);
void insert_on_day(Session& app, std::string_view name, int days);

PgStore::Settings settings_for(const std::string& url);

// A store that has opened with a history of an hour.
std::unique_ptr<PgStore> opened(const std::string& url);
std::unique_ptr<PgStore> opened(PgStore::Settings settings);

// What next() gives until it gives nothing more: (offset, aggregate_id).
struct Seen {
  Offset offset;
  std::string name;
  bool operator==(const Seen&) const = default;
};
std::ostream& operator<<(std::ostream& out, const Seen& seen);
std::vector<Seen> read_all(OutboxStore& store, std::uint32_t limit = 1'000);
std::vector<std::string> names_of(const std::vector<Seen>& seen);

// A connection that fails the test instead of giving an error back.
Connection connected(const std::string& url);

}  // namespace ringcast::pg
