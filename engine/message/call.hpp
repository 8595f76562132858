// What a client asks of the application, and what the application says to it.
#pragma once

#include <algorithm>
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

// Why a call failed. All of it is shown to the client.
struct CallError {
  Errc code = Errc::internal;
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
