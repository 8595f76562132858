#include "io/ring.hpp"

#include "io/epoll_ring.hpp"
#include "io/uring_ring.hpp"

namespace ringcast::io {

std::string_view backend_name(Backend backend) {
  switch (backend) {
    case Backend::io_uring:
      return "io_uring";
    case Backend::epoll:
      return "epoll";
  }
  return "";
}

Result<std::unique_ptr<Ring>> Ring::create(const RingOptions& options) {
  switch (options.backend) {
    case Backend::io_uring:
      return UringRing::create(options);
    case Backend::epoll:
      return EpollRing::create(options);
  }
  return {Errc::internal, "a backend that does not exist"};
}

}  // namespace ringcast::io
