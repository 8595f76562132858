#include "store/outbox_operator.hpp"

#include <fmt/format.h>

namespace ringcast {

Error not_dead(std::int64_t id, DeadLetter::State state) {
  switch (state) {
    case DeadLetter::State::held:
      return {Errc::conflict,
              fmt::format("row {} only waits behind another of its aggregate: retry "
                          "or drop that one",
                          id)};
    case DeadLetter::State::redriven:
      return {Errc::conflict, fmt::format("dead letter {} was redriven already", id)};
    case DeadLetter::State::dropped:
      return {Errc::conflict, fmt::format("dead letter {} was dropped", id)};
    case DeadLetter::State::dead:
      return {Errc::not_found, fmt::format("the row of dead letter {} is no longer there", id)};
  }
  return {Errc::conflict, fmt::format("row {} is not dead", id)};
}

}  // namespace ringcast
