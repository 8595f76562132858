// The version of the schema with ringcast.create_outbox_events(): many events in one call.
#pragma once

#include <string_view>

namespace ringcast::pg {

// Part of schema_versions(). Thread: any.
[[nodiscard]] std::string_view many_schema_sql();

}  // namespace ringcast::pg
