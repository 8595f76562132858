// The fields of what a client sent with its call, as an application's types.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "message/call.hpp"

namespace ringcast {

// Of a text its octets, of a list its entries, of a number its value; both ends are in it.
struct FieldRange {
  std::int64_t least = std::numeric_limits<std::int64_t>::min();
  std::int64_t most = std::numeric_limits<std::int64_t>::max();
};

// Reads the fields of a call's data one by one and collects every one that is wrong, so that the
// client is told all at once. A field that is null counts as absent, one that nobody reads is
// passed over. Where a field is wrong, its variable is left as it was.
//
//     struct Send { std::string chat; std::string body; std::optional<std::int64_t> reply_to; };
//     void read_fields(CallFields& in, Send& out) {
//       in.read("chatId", out.chat, {1, 100}).read("body", out.body, {1, 10'000});
//       in.read("replyTo", out.reply_to);
//     }
//
// Thread: any; lives while one call's data is read, which is valid JSON and outlives it.
class CallFields final {
 public:
  explicit CallFields(std::string_view json);
  ~CallFields();
  CallFields(const CallFields&) = delete;
  CallFields& operator=(const CallFields&) = delete;

  CallFields& read(std::string_view name, std::string& to, FieldRange octets = {});
  CallFields& read(std::string_view name, bool& to);
  CallFields& read(std::string_view name, std::int64_t& to, FieldRange value = {});
  CallFields& read(std::string_view name, double& to);
  CallFields& read(std::string_view name, std::vector<std::string>& to, FieldRange entries = {},
                   FieldRange octets = {});
  // Any JSON, as its text.
  CallFields& read_json(std::string_view name, std::string& to);
  // Absent: nothing. There: as above.
  template <class Value, class... Rules>
  CallFields& read(std::string_view name, std::optional<Value>& to, Rules... rules) {
    to.reset();
    if (!has(name)) return *this;
    Value value{};
    read(name, value, rules...);
    to = std::move(value);
    return *this;
  }

  [[nodiscard]] bool has(std::string_view name) const;
  // What the application itself finds wrong, also of fields that are not there.
  CallFields& wrong(std::string_view name, std::string_view what);

  [[nodiscard]] const std::vector<FieldProblem>& problems() const { return problems_; }
  // VALIDATION_ERROR with the problems; none: everything is right.
  [[nodiscard]] std::optional<CallError> error() const;

 private:
  struct Document;
  std::unique_ptr<Document> document_;
  std::vector<FieldProblem> problems_;
};

}  // namespace ringcast
