#include "store/sqlite_library.hpp"

#include <sqlite3.h>

namespace ringcast {

const void* sqlite_library() { return reinterpret_cast<const void*>(&sqlite3_open_v2); }

}  // namespace ringcast
