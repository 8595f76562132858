// JSON Schemas of event types: what the payload of an outbox row must look like.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "config/config.hpp"

namespace ringcast {

// One JSON Schema (draft 4 to 7) for an event type, from a folder of files `<eventType>.json`.
//
// Thread: loaded at start-up, then one thread, the outbox thread. Lives as long as the source.
// Holds at most kSchemasMax schemas of kSchemaBytesMax octets: more is an error at start.
// References stay inside a file.
class EventSchemas final {
 public:
  static constexpr std::size_t kSchemasMax = 1'024;
  static constexpr std::size_t kSchemaBytesMax = std::size_t{1} << 20;

  // No folder named: no type has a schema. The error is the first of problems_in().
  static Result<EventSchemas> load(const OutboxConfig& config);
  // All that is wrong in the folder, as FILE:LINE:COLUMN: EVENT TYPE: member: what.
  static std::vector<std::string> problems_in(const OutboxConfig& config);
  EventSchemas(EventSchemas&&) noexcept;
  EventSchemas& operator=(EventSchemas&&) noexcept;
  ~EventSchemas();

  // `payload` is valid JSON. not_found: the type has no schema and unknown_events is `reject`;
  // validation: names every offending field, as `payload.progress: ...`.
  //
  // The library matches `pattern` and `format` by std::regex, whose recursion grows with the text:
  // under a schema with one of them, a text above schema_text_bytes_max is an error of its own.
  [[nodiscard]] Result<void> check(std::string_view event_type, std::string_view payload);

  [[nodiscard]] std::size_t size() const;

 private:
  struct Parts;
  explicit EventSchemas(std::unique_ptr<Parts> parts);
  static std::unique_ptr<Parts> read(const OutboxConfig& config,
                                     std::vector<std::string>& problems);
  std::unique_ptr<Parts> parts_;
};

}  // namespace ringcast
