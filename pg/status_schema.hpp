// The part of the schema `ringcast` that status mode needs.
#pragma once

#include <string_view>

namespace ringcast::pg {

// Columns of the outbox and not a table of their own: so whatever writes rows (the SQL function,
// Python, C++, the engine's publishes, a redrive) writes them for both modes. In window mode they
// are null, have no index and cost nothing.
[[nodiscard]] std::string_view status_schema_sql();

}  // namespace ringcast::pg
