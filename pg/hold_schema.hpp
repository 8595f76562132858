// The version of the schema in which rows may wait behind a failed one of their aggregate.
#pragma once

#include <string_view>

namespace ringcast::pg {

// Part of schema_versions(). Thread: any.
[[nodiscard]] std::string_view hold_schema_sql();

}  // namespace ringcast::pg
