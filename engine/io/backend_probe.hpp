// Which backend this process can have.
#pragma once

#include <optional>
#include <string>

#include "base/result.hpp"
#include "io/ring.hpp"

namespace ringcast::io {

struct BackendChoice {
  Backend backend = Backend::io_uring;
  std::string reason;  // why not io_uring; for RingOptions::reason
};

// Thread: start-up. What is wanted, or an error that says why it can not be had; with nothing
// wanted io_uring where a ring can be made and works, else epoll.
Result<BackendChoice> choose_backend(std::optional<Backend> wanted);

}  // namespace ringcast::io
