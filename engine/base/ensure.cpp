#include "base/ensure.hpp"

#include <cstdio>
#include <cstdlib>

namespace ringcast {

void ensure_failed(const char* what, const std::source_location& where) {
  // Not through the logger: it may be the one that is broken.
  std::fprintf(stderr, "ringcast: broken invariant: %s (%s:%u, %s)\n", what, where.file_name(),
               where.line(), where.function_name());
  std::abort();
}

}  // namespace ringcast
