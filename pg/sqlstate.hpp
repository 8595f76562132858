// From PostgreSQL's error codes to ours.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"

namespace ringcast::pg {

// What the one who asked can do about an error of the server (PostgreSQL manual, appendix A). Codes
// that another try may mend, and all unknown ones, are `unavailable`.
[[nodiscard]] Errc errc_of(std::string_view sqlstate);

// The code in an error text of libpq in PQERRORS_SQLSTATE form ("FATAL:  28P01"), else empty: while
// a connection is being made libpq offers it in no other way.
[[nodiscard]] std::string sqlstate_in(std::string_view libpq_text);

// A sentence for an operator whose connection was refused with this code.
[[nodiscard]] std::string connect_sentence(std::string_view sqlstate);

// A value of the row that the table does not take, as opposed to a state of the server.
[[nodiscard]] bool is_bad_value(std::string_view sqlstate);

}  // namespace ringcast::pg
