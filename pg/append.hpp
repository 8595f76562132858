// Publishes into `store` rooms: plain rows of the outbox, each at most once for its keys.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "message/outbox_row.hpp"
#include "pg/connection.hpp"

namespace ringcast::pg {

// For how long, and for how many keys a room, a repeated publish gets the first answer back.
struct DedupeLimits {
  std::uint32_t window_s = 300;
  std::uint32_t keys_max = 10'000;
};

// Inserts the rows in one transaction, in their order, an outcome each. A row whose id (if its
// publisher chose it) or idempotency key was used in its room by the same user is not inserted: it
// gets the id of the first, or `conflict` if the bytes differ. Works across daemons: the keys'
// primary key decides, and who comes second waits for the first's commit, lock_timeout at most.
// A value that the table refuses is that row's `validation` error; the other rows are inserted.
//
// Thread: outbox. After an error of the whole nothing was inserted, unless the connection broke
// during the commit, when nobody can know.
Result<std::vector<Result<Appended>>> append(Connection& connection, std::span<const PlainRow> rows,
                                             const DedupeLimits& dedupe);

// Forgets keys that are older than the window, and a room's oldest beyond keys_max. At most 10,000
// a call.
Result<void> forget_keys(Connection& connection, const DedupeLimits& dedupe);

}  // namespace ringcast::pg
