// Where the answer to mail goes.
#pragma once

#include <cstdint>

#include "base/ids.hpp"

namespace ringcast {

// Who asked, and which of its questions it was. The answer goes to the shard of the connection; a
// connection that is gone by then is a counted no-op.
struct ReplyTo {
  // The tag of a publisher that is told of failures alone.
  static constexpr std::uint64_t kErrorsOnly = ~std::uint64_t{0};

  ConnectionId connection;
  std::uint64_t tag = 0;
  template <class Outcome>
  [[nodiscard]] bool wants(const Outcome& outcome) const {
    return tag != kErrorsOnly || !outcome;
  }
};

}  // namespace ringcast
