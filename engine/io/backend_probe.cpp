#include "io/backend_probe.hpp"

namespace ringcast::io {

Result<BackendChoice> choose_backend(std::optional<Backend> wanted) {
  if (wanted == Backend::epoll) return BackendChoice{Backend::epoll, "as configured"};
  // A whole ring is made and thrown away: it tries out everything that a shard's ring will need.
  const auto ring = Ring::create(RingOptions{.backend = Backend::io_uring, .sockets_max = 1});
  if (ring) return BackendChoice{Backend::io_uring, {}};
  if (wanted) return ring.error();
  return BackendChoice{Backend::epoll, "io_uring refused: " + ring.error().detail};
}

}  // namespace ringcast::io
