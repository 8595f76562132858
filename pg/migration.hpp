// Brings the schema `ringcast` to the version that this program speaks.
#pragma once

#include <span>

#include "base/result.hpp"
#include "config/config.hpp"
#include "pg/connection.hpp"
#include "pg/schema_sql.hpp"

namespace ringcast::pg {

// apply: runs what is missing, one transaction a version, under an advisory lock, so that several
// daemons may start at once. check: an error that names the missing versions. off: no look at all.
// In apply and check a newer schema and a version whose text differs are errors (`validation`).
//
// Thread: outbox. Waits for another's migration at most 10 s, then `unavailable`.
Result<void> migrate(Connection& connection, StoreConfig::Migrate mode,
                     std::span<const SchemaVersion> versions = schema_versions());

}  // namespace ringcast::pg
