// The numbering of this database: its epoch, and whether it still is the database it was.
#pragma once

#include <string>

#include "base/result.hpp"
#include "pg/connection.hpp"

namespace ringcast::pg {

// The epoch that holds now. Where the cluster, its timeline or the database is another one than
// when the epoch was made (restored, failed over, copied), a new one is made first; of several
// daemons that notice, one wins, and all get the winner's.
[[nodiscard]] Result<std::string> settle_epoch(Connection& connection);

// Error `validation`: the rows were written under transaction numbers that this cluster has not
// reached; what an operator must do is in the detail.
[[nodiscard]] Result<void> check_numbers(Connection& connection);

// Ends epoch `old`, unless another has done so already, and gives the one that holds now.
[[nodiscard]] Result<std::string> renew_epoch(Connection& connection, const std::string& old);

// The one that stands in the database, without a look at anything else.
[[nodiscard]] Result<std::string> current_epoch(Connection& connection);

}  // namespace ringcast::pg
