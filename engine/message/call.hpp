// What a client asks of the application, and what the application says to it.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.hpp"
#include "message/event.hpp"

namespace ringcast {

// One field of a call's data that is wrong, and why.
struct FieldProblem {
  std::string field;
  std::string problem;
};

// Why a call failed, for its client: a code of the engine's table, or one of the application's own
// (check_own_code(), when the answer is taken). Thread: any, it is a value.
class CallCode final {
 public:
  CallCode(Errc code) : code_(code) {}
  CallCode(std::string own) : code_(std::move(own)) {}
  CallCode(const char* own) : code_(std::string(own)) {}

  [[nodiscard]] std::string_view text() const {
    const auto* code = std::get_if<Errc>(&code_);
    return code == nullptr ? std::string_view(*std::get_if<std::string>(&code_))
                           : error_code(*code).code;
  }
  // None: it is the application's own.
  [[nodiscard]] std::optional<Errc> of_engine() const {
    const auto* code = std::get_if<Errc>(&code_);
    return code == nullptr ? std::nullopt : std::optional(*code);
  }

 private:
  std::variant<Errc, std::string> code_;
};

// Why a call failed. All of it is shown to the client.
struct CallError {
  CallCode code = Errc::internal;
  std::string message;
  std::vector<FieldProblem> fields;  // of Errc::validation: every one that is wrong
};

using CallResult = std::variant<Payload, CallError>;  // data of the ack, or why there is none

// The rooms that a connection had joined at some time.
//
// Thread: any (immutable). Shared by the calls that the connection makes until it joins or leaves
// one; bounded by rooms_per_connection_max.
class RoomSet final {
 public:
  explicit RoomSet(std::vector<std::string> rooms) : rooms_(std::move(rooms)) {
    std::sort(rooms_.begin(), rooms_.end());
  }
  [[nodiscard]] bool contains(std::string_view room) const {
    return std::binary_search(rooms_.begin(), rooms_.end(), room);
  }
  [[nodiscard]] const std::vector<std::string>& rooms() const { return rooms_; }

 private:
  std::vector<std::string> rooms_;
};

}  // namespace ringcast
