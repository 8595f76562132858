#include "unit/pg/test_database.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <stdexcept>

#include "pg/migration.hpp"

namespace ringcast::pg {

namespace {

constexpr std::chrono::seconds kHour{3'600};
constexpr std::uint64_t kReplayBytes = 64ULL << 20;

std::string read_admin_url() {
  const char* url = std::getenv("RINGCAST_TEST_PG");
  if (url == nullptr || *url == '\0') throw std::runtime_error(kNoServer);
  return url;
}

[[noreturn]] void stop(const std::string& what, const Error& error) {
  throw std::runtime_error(what + ": " + error.detail);
}

}  // namespace

std::string with_database(const std::string& url, std::string_view database) {
  return url.substr(0, url.rfind('/') + 1) + std::string(database);
}

std::string with_user(const std::string& url, std::string_view user) {
  const std::size_t start = url.find("//") + 2;
  return url.substr(0, start) + std::string(user) + url.substr(url.find('@'));
}

Connection connected(const std::string& url) {
  auto made = Connection::open(url, "ringcast test", {});
  if (!made) stop("connect", made.error());
  return std::move(made).value();
}

const std::string& TestDatabase::admin_url() {
  static const std::string url = read_admin_url();
  return url;
}

void TestDatabase::admin(const std::string& sql) { Session(admin_url()).run(sql); }

namespace {

std::string random_name() {
  std::string random = Uuid::random().text();
  std::erase(random, '-');
  return "ringcast_" + random;
}

void drop_if_there(const std::string& name) {
  auto connection = Connection::open(TestDatabase::admin_url(), "ringcast test", {});
  if (connection) (void)connection->run("drop database if exists " + name + " with (force)").ok();
}

// The database that others are copied from, made at the first use, dropped at the program's end.
class Prototype final {
 public:
  Prototype() : name_(random_name()) {
    TestDatabase::admin("create database " + name_);
    Connection connection = connected(with_database(TestDatabase::admin_url(), name_));
    if (auto done = migrate(connection, StoreConfig::Migrate::apply); !done)
      stop("migrate", done.error());
  }
  ~Prototype() { drop_if_there(name_); }
  [[nodiscard]] const std::string& name() const { return name_; }

 private:
  std::string name_;
};

}  // namespace

TestDatabase::TestDatabase(Schema schema)
    : name_(random_name()), url_(with_database(admin_url(), name_)) {
  create(schema);
}

TestDatabase::~TestDatabase() { drop_if_there(name_); }

void TestDatabase::create(Schema schema) {
  if (schema == Schema::none) return admin("create database " + name_);
  static const Prototype prototype;
  admin("create database " + name_ + " template " + prototype.name());
}

void TestDatabase::drop() { admin("drop database " + name_ + " with (force)"); }

Session::Session(const std::string& url) : connection_(connected(url)) {}

void Session::run(const std::string& sql) {
  if (auto done = connection_.run(sql); !done) stop(sql, done.error());
}

std::string Session::value(const std::string& sql) {
  auto rows = connection_.query("select (" + sql + ")::text");
  if (!rows) stop(sql, rows.error());
  return std::string(rows->text(0, 0));
}

std::string Session::sqlstate(const std::string& sql) {
  if (connection_.run(sql)) return "success";
  return connection_.last_sqlstate();
}

void Session::insert(std::string_view name, std::size_t payload_bytes) {
  run(fmt::format(
      "insert into ringcast.outbox (tenant_id, aggregate_type, aggregate_id, event_type,"
      " payload) values ('t', 'Thing', '{}', 'kitchen.task.made',"
      " convert_to('{{' || repeat(' ', {}) || '}}', 'UTF8'))",
      name, payload_bytes - 2));
}

std::string make_leaf(Session& owner, int days) {
  const std::string name = owner.value(
      fmt::format("'outbox_' || to_char((now() at time zone 'UTC')::date + {}, 'YYYYMMDD')", days));
  owner.run(fmt::format(
      "create table ringcast.{0} (like ringcast.outbox including defaults including constraints);"
      "create unique index on ringcast.{0} (id); create index on ringcast.{0} (xid, id);"
      "do $$ begin execute format('alter table ringcast.outbox attach partition ringcast.{0} for "
      "values from (%L) to (%L)', (now() at time zone 'UTC')::date + {1},"
      " (now() at time zone 'UTC')::date + {1} + 1); end $$",
      name, days));
  return "ringcast." + name;
}

void insert_on_day(Session& app, std::string_view name, int days) {
  app.run(fmt::format(
      "insert into ringcast.outbox (tenant_id, aggregate_type, aggregate_id, event_type, payload,"
      " created_at) values ('t', 'Thing', '{}', 'a.b', '{{}}', now() + interval '{} days')",
      name, days));
}

PgStore::Settings settings_for(const std::string& url) {
  PgStore::Settings settings;
  settings.url = url;
  return settings;
}

std::unique_ptr<PgStore> opened(PgStore::Settings settings) {
  auto store = std::make_unique<PgStore>(std::move(settings));
  if (auto state = store->open(kHour, kReplayBytes); !state) stop("open", state.error());
  return store;
}

std::unique_ptr<PgStore> opened(const std::string& url) { return opened(settings_for(url)); }

std::ostream& operator<<(std::ostream& out, const Seen& seen) {
  return out << seen.offset << ' ' << seen.name;
}

std::vector<Seen> read_all(OutboxStore& store, std::uint32_t limit) {
  std::vector<Seen> seen;
  for (;;) {
    auto window = store.next(OutboxStore::Read::record_on, limit);
    if (!window) stop("next", window.error());
    for (const OutboxRow& row : window->rows)
      seen.push_back({row.offset, std::string(row.aggregate_id)});
    if (window->rows.empty() && !window->more) return seen;
  }
}

std::vector<std::string> names_of(const std::vector<Seen>& seen) {
  std::vector<std::string> names;
  for (const Seen& one : seen) names.push_back(one.name);
  return names;
}

}  // namespace ringcast::pg
