// One drain of a backlog that is there when the program starts.
#pragma once

#include "outbox/contender.hpp"

namespace ringcast::bench {

inline constexpr int kTenants = 100;

struct Drain {
  double rows_a_second = 0;
  double cpu_us_a_row = 0;     // the program's, all of its threads
  double server_us_a_row = 0;  // PostgreSQL's
};

// From the first row of tenant t0 to his last, who are behind the first and the last hundred rows;
// all of them are checked. PostgreSQL only.
Result<Drain> drain_to_subscriber(const Contender& contender, const Settings& settings);

// Nobody is subscribed: Ringcast's own count of rows, which must be all, none of them failed. From
// the first look that saw rows to the first that saw all.
Result<Drain> drain_unheard(const Contender& contender, const Settings& settings);

}  // namespace ringcast::bench
