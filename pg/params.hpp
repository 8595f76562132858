// Bound parameters of one statement, text or binary.
#pragma once

#include <concepts>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "message/uuid.hpp"

namespace ringcast::pg {

// Collects the values of $1, $2, ... in order. Numbers and texts go in text form and get their type
// from the statement (`$1::bigint`); arrays go in PostgreSQL's binary array form, which needs no
// quoting, so no value can ever be read as syntax.
//
// Thread: outbox. Lives for one call. Holds copies; what it may hold is limited by its callers.
class Params final {
 public:
  Params& add(std::string_view text);
  template <std::integral T>
  Params& add(T number) {
    return add(std::string_view(std::to_string(number)));
  }
  Params& add_texts(std::span<const std::string_view> texts);        // text[]; empty: null
  Params& add_plain_texts(std::span<const std::string_view> texts);  // text[]; empty: ''
  Params& add_bytes(std::span<const std::string_view> blobs);        // bytea[]
  Params& add_uuids(std::span<const Uuid> uuids);                    // uuid[]
  Params& add_numbers(std::span<const std::int64_t> numbers);        // bigint[]

  [[nodiscard]] int count() const { return static_cast<int>(values_.size()); }

  // What libpq takes: pointers into this object, good until it changes.
  struct View {
    std::vector<const char*> values;
    std::vector<int> lengths;
    std::vector<int> formats;
  };
  [[nodiscard]] View view() const;

 private:
  struct Value {
    std::string bytes;
    bool binary = false;
  };
  std::vector<Value> values_;
};

}  // namespace ringcast::pg
