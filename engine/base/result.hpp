// Errors are values: Result<T> is a T or an Error. Exceptions exist only at start-up and in
// bindings.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "base/ensure.hpp"

namespace ringcast {

// Everything that can go wrong, by what the one who asked can do about it. error_code(), below, is
// the one table from here to what a client reads.
enum class Errc : std::uint8_t {
  validation,         // the input is wrong; the detail names the field
  unauthorized,       // who are you?
  forbidden,          // not yours
  not_found,          // there is no such thing
  conflict,           // the same key, other bytes
  rate_limited,       // slower, please
  payload_too_large,  // above a configured limit
  unavailable,        // not now: try again later
  internal,           // our fault; the log has the correlation id
};

inline constexpr std::size_t kErrcs = static_cast<std::size_t>(Errc::internal) + 1;

struct ErrorCode {
  std::string_view code;  // what clients see
  int http_status;
};

[[nodiscard]] constexpr ErrorCode error_code(Errc code) {
  switch (code) {
    case Errc::validation:
      return {"VALIDATION_ERROR", 400};
    case Errc::unauthorized:
      return {"UNAUTHORIZED", 401};
    case Errc::forbidden:
      return {"FORBIDDEN", 403};
    case Errc::not_found:
      return {"NOT_FOUND", 404};
    case Errc::conflict:
      return {"CONFLICT", 409};
    case Errc::rate_limited:
      return {"RATE_LIMITED", 429};
    case Errc::payload_too_large:
      return {"PAYLOAD_TOO_LARGE", 413};
    case Errc::unavailable:
      return {"UNAVAILABLE", 503};
    case Errc::internal:
      return {"INTERNAL_ERROR", 500};
  }
  return {"INTERNAL_ERROR", 500};
}

// The one that clients see as `code`; none: it is not the engine's.
[[nodiscard]] constexpr std::optional<Errc> errc_of(std::string_view code) {
  for (std::size_t i = 0; i < kErrcs; ++i)
    if (const auto errc = static_cast<Errc>(i); error_code(errc).code == code) return errc;
  return std::nullopt;
}

struct Error {
  Errc code = Errc::internal;
  std::string detail;  // what was wrong, where, and what is expected; safe to show to the client
};

// A value or an error. value() and error() on the wrong side are our own mistake: ensure().
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}
  Result(Errc code, std::string detail)
      : state_(std::in_place_index<1>, Error{code, std::move(detail)}) {}

  [[nodiscard]] bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  [[nodiscard]] T& value() & {
    ensure(ok(), "Result::value() of an error");
    return *std::get_if<0>(&state_);
  }
  [[nodiscard]] const T& value() const& {
    ensure(ok(), "Result::value() of an error");
    return *std::get_if<0>(&state_);
  }
  [[nodiscard]] T&& value() && {
    ensure(ok(), "Result::value() of an error");
    return std::move(*std::get_if<0>(&state_));
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  [[nodiscard]] const Error& error() const {
    ensure(!ok(), "Result::error() of a value");
    return *std::get_if<1>(&state_);
  }

 private:
  std::variant<T, Error> state_;
};

// Success without a value, or an error.
template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)), ok_(false) {}
  Result(Errc code, std::string detail) : error_{code, std::move(detail)}, ok_(false) {}

  [[nodiscard]] bool ok() const { return ok_; }
  explicit operator bool() const { return ok_; }
  [[nodiscard]] const Error& error() const {
    ensure(!ok_, "Result::error() of a success");
    return error_;
  }

 private:
  Error error_;
  bool ok_ = true;
};

}  // namespace ringcast
