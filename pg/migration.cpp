#include "pg/migration.hpp"

#include <fmt/format.h>

#include <map>
#include <string>
#include <thread>

namespace ringcast::pg {

namespace {

constexpr Millis kLockWaitMax{10'000};
constexpr Millis kLockPause{50};

// What a database has: name and checksum of each version.
struct Applied {
  std::string name;
  std::string checksum;
};
using AppliedVersions = std::map<int, Applied>;

Result<AppliedVersions> applied_versions(Connection& connection) {
  AppliedVersions out;
  auto there = connection.query("select to_regclass('ringcast.schema_migration') is not null");
  if (!there) return there.error();
  if (!there->flag(0, 0)) return out;
  auto rows = connection.query("select version, name, checksum from ringcast.schema_migration");
  if (!rows) return rows.error();
  for (std::size_t i = 0; i < rows->size(); ++i)
    out[static_cast<int>(rows->number(i, 0))] = {std::string(rows->text(i, 1)),
                                                 std::string(rows->text(i, 2))};
  return out;
}

Result<std::string> checksum(Connection& connection, const SchemaVersion& version) {
  auto rows = connection.query("select sha256(convert_to($1, 'UTF8'))", Params{}.add(version.sql));
  if (!rows) return rows.error();
  return std::string(rows->text(0, 0));
}

// The first version that is missing; 0: none. Differences that no migration mends are errors.
Result<int> first_missing(Connection& connection, std::span<const SchemaVersion> versions) {
  auto applied = applied_versions(connection);
  if (!applied) return applied.error();
  const int newest = versions.back().version;
  if (!applied->empty() && applied->rbegin()->first > newest)
    return Error{Errc::validation,
                 fmt::format("the schema ringcast has version {}, this program knows versions up "
                             "to {}: run the newer program",
                             applied->rbegin()->first, newest)};
  for (const SchemaVersion& version : versions) {
    const auto found = applied->find(version.version);
    if (found == applied->end()) return version.version;
    auto expected = checksum(connection, version);
    if (!expected) return expected.error();
    if (found->second.checksum != *expected)
      return Error{Errc::validation,
                   fmt::format("version {} ({}) of the schema ringcast was made from another text "
                               "than this program's",
                               version.version, found->second.name)};
  }
  return 0;
}

// One version in one transaction. False: another daemon migrates at this moment.
Result<bool> apply_one(Connection& connection, const SchemaVersion& version) {
  if (auto begun = connection.run("begin"); !begun) return begun.error();
  auto locked = connection.query("select pg_try_advisory_xact_lock(7461203558041151)");
  if (!locked) return locked.error();
  // Never a blocking wait: a session that waits holds a snapshot, and vacuum waits with it.
  if (!locked->flag(0, 0)) {
    if (auto ended = connection.run("rollback"); !ended) return ended.error();
    return false;
  }
  auto applied = applied_versions(connection);
  if (!applied) return applied.error();
  if (!applied->contains(version.version)) {
    auto sum = checksum(connection, version);
    if (!sum) return sum.error();
    if (auto done = connection.run(std::string(version.sql)); !done) return done.error();
    auto noted = connection.query(
        "insert into ringcast.schema_migration (version, name, checksum) "
        "select $1::int, $2, sha256(convert_to($3, 'UTF8'))",
        Params{}.add(version.version).add(version.name).add(version.sql));
    if (!noted) return noted.error();
  }
  if (auto ended = connection.run("commit"); !ended) return ended.error();
  return true;
}

Error explained(Error error, const SchemaVersion& version) {
  if (error.code == Errc::forbidden)
    error.detail = fmt::format(
        "the role of store.url may not make version {} of the schema "
        "ringcast: let the schema's owner start the daemon once, and "
        "then run `select ringcast.grant_daemon('role')` ({})",
        version.version, error.detail);
  return error;
}

}  // namespace

Result<void> migrate(Connection& connection, StoreConfig::Migrate mode,
                     std::span<const SchemaVersion> versions) {
  if (mode == StoreConfig::Migrate::off) return {};
  const Instant give_up = SystemClock{}.now() + kLockWaitMax;
  for (;;) {
    auto missing = first_missing(connection, versions);
    if (!missing) return missing.error();
    if (*missing == 0) return {};
    if (mode == StoreConfig::Migrate::check)
      return Error{Errc::validation,
                   fmt::format("version {} of the schema ringcast is missing and store.migrate is "
                               "\"check\"",
                               *missing)};
    const SchemaVersion& version = versions[static_cast<std::size_t>(*missing - 1)];
    auto applied = apply_one(connection, version);
    if (!applied) {
      if (connection.usable()) (void)connection.run("rollback").ok();
      return explained(applied.error(), version);
    }
    if (*applied) continue;
    if (SystemClock{}.now() >= give_up)
      return Error{Errc::unavailable, "another program has been migrating the schema for 10 s"};
    std::this_thread::sleep_for(kLockPause);
  }
}

}  // namespace ringcast::pg
