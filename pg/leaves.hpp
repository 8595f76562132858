// The partitions of the outbox that a window read has to look into.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "pg/connection.hpp"
#include "pg/snapshot.hpp"

namespace ringcast::pg {

// Knows the open leaves: the DEFAULT leaf, and each day's from an hour before it begins until every
// transaction that may have written into it has ended and was read. Naming them instead of the
// parent makes a poll three to ten times cheaper; a leaf forgotten would lose rows in silence. So
// each recording statement proves the set under its own snapshot: no leaf was attached or detached
// since (inheritance_sum) and no day began that is not in it (until). If not, it records nothing.
//
// Thread: outbox. Lives in the reader; forgets all at a new connection. At most as many as the
// table has partitions.
class Leaves final {
 public:
  // Looks at the catalog. True: the set has changed, statements must be made anew.
  Result<bool> refresh(Connection& connection);

  // Every row visible in `snapshot` is recorded. True: leaves were closed, the set has changed.
  bool caught_up(std::string_view snapshot);

  void forget();

  [[nodiscard]] const std::vector<std::string>& open() const { return open_; }  // quoted names
  [[nodiscard]] const std::string& until() const { return until_; }             // timestamptz
  [[nodiscard]] const std::string& inheritance_sum() const { return inheritance_sum_; }

  // Makes the leaves of today and the 14 days that follow, where missing. Errors are for the log:
  // without a leaf rows go into DEFAULT and are read from there.
  static Result<void> make_ahead(Connection& connection);

 private:
  using Oid = std::int64_t;

  Result<void> note_ended(Connection& connection, const std::set<Oid>& ended);
  bool assemble();

  std::map<Oid, std::string> present_;  // begun, or about to
  std::map<Oid, Xid> ended_;  // its day is over; no transaction from here on wrote into it
  std::set<Oid> closed_;
  std::vector<std::string> open_;
  std::string until_ = "-infinity";
  std::string inheritance_sum_ = "-1";
};

}  // namespace ringcast::pg
