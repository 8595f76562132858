// What the outbox commands print: for people, or as one JSON object a line.
#pragma once

#include <string>

#include "store/outbox_operator.hpp"

namespace ringcast {

// Thread: any. Texts of others are made printable; JSON has every field, null where there is none.
[[nodiscard]] std::string overview_text(const OutboxOverview& overview);
[[nodiscard]] std::string overview_json(const OutboxOverview& overview);
[[nodiscard]] std::string letter_line(const DeadLetter& letter);
[[nodiscard]] std::string letter_text(const DeadLetter& letter);  // with the payload
// `payload`: as the text that the row holds, or left out.
enum class WithPayload : bool { no, yes };
[[nodiscard]] std::string letter_json(const DeadLetter& letter, WithPayload payload);

}  // namespace ringcast
