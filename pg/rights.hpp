// Whether the daemon's role may do what it has to.
#pragma once

#include "pg/connection.hpp"

namespace ringcast::pg {

// `forbidden`, naming what is missing of ringcast.grant_daemon(). At start, since most of these
// rights are wanted for the first time when a row has failed or a day is over. What a schema does
// not have that store.migrate = "off" left as it was is not missed.
[[nodiscard]] Result<void> check_rights(Connection& connection);

}  // namespace ringcast::pg
