// The least that takes rows to a subscriber: what Ringcast is measured beside.
#pragma once

#include <string>

namespace ringcast::bench {

// Programs of one thread, one connection to the database and one subscriber, whom they wait for;
// each row of tenant t0 goes to him as the frame that Ringcast makes of it.
//   bare         LISTEN; SELECT what is above the last id; INSERT a record of delivery, with its
//                commit; send. Loses rows when two writers commit in another order than they began.
//   skip_locked  BEGIN; UPDATE .. RETURNING what is pending and not locked; send; COMMIT.
// `batch` rows at most at once. Prints `listening on http://127.0.0.1:PORT` and ends by a signal.
int consume(const std::string& kind, const std::string& url, int batch);

}  // namespace ringcast::bench
