// Where in a JSON Schema something is wrong.
#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ringcast {

using JsonPath = std::vector<std::string>;  // names of members, and indices

struct SchemaMistake {
  JsonPath path;
  std::string what;
};

// A reference that leads out of the file or nowhere, a pattern that is none: what the library would
// see with the first row that comes there, or never. Thread: any.
[[nodiscard]] std::optional<SchemaMistake> mistake_in_references_and_patterns(
    const nlohmann::json& document);

// Of a document that the library has refused, saying `why`: the innermost schema of it that the
// library refuses by itself, and its first keyword that it refuses alone. Thread: any.
[[nodiscard]] SchemaMistake mistake_in_schema(const nlohmann::json& document, std::string why);

// LINE:COLUMN, from 1, columns in octets. Thread: any.
[[nodiscard]] std::string place_in(std::string_view text, std::size_t offset);

// Where the value at `path` begins in a valid JSON text, or the innermost one on the way to it that
// is there (a name with escapes is not found). Thread: any.
[[nodiscard]] std::size_t offset_of(std::string_view json, std::span<const std::string> path);

}  // namespace ringcast
