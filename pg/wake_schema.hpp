// The version of the schema in which the wake-up of a reader costs its writers less.
#pragma once

#include <string_view>

namespace ringcast::pg {

// Part of schema_versions(). Thread: any.
[[nodiscard]] std::string_view wake_schema_sql();

}  // namespace ringcast::pg
