// The fields of a JSON object that somebody else made, and every complaint about them.
#pragma once

#include <simdjson.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "message/uuid.hpp"

namespace ringcast::protocol {

inline constexpr std::size_t kJsonFieldsMax = 16;           // of one object, known or not
inline constexpr std::size_t kJsonFieldNameBytesMax = 128;  // shown in complaints

struct JsonField {
  std::string_view name;
  simdjson::dom::element value;
  std::string_view json;  // the octets it was read from; only of the outermost object
};

// Thread: any; lives while its document is decoded. Holds at most kJsonFieldsMax fields, because to
// find what stands twice costs the square of it; more are a complaint.
class JsonFields final {
 public:
  enum class Need : std::uint8_t { required, optional };

  // Complaints are added to `problems`, with `prefix` before the names.
  explicit JsonFields(std::string& problems, std::string prefix = {})
      : problems_(problems), prefix_(std::move(prefix)) {}

  // `text` is what the object was read from, or empty for one inside another.
  void read(simdjson::dom::object object, std::string_view text);

  [[nodiscard]] const JsonField* find(std::string_view name) const;
  void wrong(std::string_view name, std::string_view what);
  void note(std::string_view problem);

  // A string of 1 to bytes_max octets; empty where it is wrong, or optional and absent. Like the
  // fields it is good until the next read_json_object() in this thread.
  [[nodiscard]] std::string_view text(std::string_view name, std::size_t bytes_max, Need need);
  // An integer from least to most; `least` where it is wrong.
  [[nodiscard]] std::uint64_t integer(std::string_view name, std::uint64_t least,
                                      std::uint64_t most);
  [[nodiscard]] std::uint64_t integer_or(std::string_view name, std::uint64_t otherwise,
                                         std::uint64_t least, std::uint64_t most);
  // The octets that each entry of an array of 1 to `most` was read from; none where it is wrong.
  // Only of the outermost object.
  [[nodiscard]] std::vector<std::string_view> elements(std::string_view name, std::size_t most);
  // The field `room`, checked.
  [[nodiscard]] std::string_view room();
  // The name of a call, checked.
  [[nodiscard]] std::string_view call_event(std::string_view name);
  // A user, checked; empty as text() is.
  [[nodiscard]] std::string_view user(std::string_view name, Need need);
  // A UUID that may be absent.
  [[nodiscard]] std::optional<Uuid> uuid(std::string_view name);
  // Of an object inside this one, whose fields are named behind `prefix`.
  [[nodiscard]] JsonFields inside(std::string prefix) const {
    return JsonFields(problems_, std::move(prefix));
  }
  // The name of an event, checked.
  [[nodiscard]] std::string_view event_type(std::string_view name);

 private:
  static std::string_view shown(std::string_view name);

  std::array<JsonField, kJsonFieldsMax> fields_;
  std::size_t size_ = 0;
  std::string& problems_;
  std::string prefix_;
};

// Parses `text` whole and reads the fields of its one object; the error says what is no JSON
// object. The fields stay valid until the next call in this thread.
[[nodiscard]] Result<void> read_json_object(std::string_view text, std::string_view what,
                                            JsonFields& fields);

}  // namespace ringcast::protocol
