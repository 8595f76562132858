// The schema `ringcast`, version by version.
#pragma once

#include <span>
#include <string_view>

namespace ringcast::pg {

// One step of the schema. A version that was released is never changed: the checksum of its text
// stands in every database that has it.
struct SchemaVersion {
  int version;
  std::string_view name;
  std::string_view sql;
};

// Ascending from 1 without holes. `ringcast` runs them; a DBA may read and run them by hand.
[[nodiscard]] std::span<const SchemaVersion> schema_versions();

}  // namespace ringcast::pg
