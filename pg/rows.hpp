// The rows that a statement gave back, in binary form.
#pragma once

#include <libpq-fe.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "base/clock.hpp"
#include "message/uuid.hpp"

namespace ringcast::pg {

// Owns one PGresult of a statement run with binary results. A column of another type than the
// getter expects is our own mistake: ensure().
//
// Thread: outbox. Views from text() live as long as this object.
class Rows final {
 public:
  explicit Rows(PGresult* result = nullptr) : result_(result) {}

  [[nodiscard]] std::size_t size() const;
  [[nodiscard]] bool empty() const { return size() == 0; }

  [[nodiscard]] bool null(std::size_t row, int column) const;
  [[nodiscard]] std::string_view text(std::size_t row, int column) const;  // text, bytea; null: ""
  [[nodiscard]] std::int64_t number(std::size_t row, int column) const;    // int2, 4, 8; null: 0
  [[nodiscard]] bool flag(std::size_t row, int column) const;              // boolean; null: false
  [[nodiscard]] double real(std::size_t row, int column) const;            // float8; null: 0
  [[nodiscard]] Uuid uuid(std::size_t row, int column) const;              // null: nil
  // timestamptz; none: null, infinity, or a year that RFC 3339 has no digits for.
  [[nodiscard]] std::optional<WallTime> time(std::size_t row, int column) const;

 private:
  struct Clear {
    void operator()(PGresult* result) const { PQclear(result); }
  };
  [[nodiscard]] std::string_view bytes(std::size_t row, int column) const;

  std::unique_ptr<PGresult, Clear> result_;
};

}  // namespace ringcast::pg
