// Negotiation of permessage-deflate, server's side (RFC 7692 sections 5 and 7.1).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ringcast::wire {

// What both sides agree on. Neither side keeps its context from one message to the next: one frame
// is to be good for all clients, and an idle connection is to hold no window.
struct DeflateTerms {
  std::optional<std::uint8_t> server_window_bits;  // if the client has asked for a limit

  // Can this client read what we compress for all? If not it gets plain frames, which are always
  // legal (RFC 7692 section 6), and may compress its own.
  [[nodiscard]] bool reads_shared_frames() const;
};

// The first offer of this Sec-WebSocket-Extensions value that is legal, or nothing. An unknown,
// repeated or malformed parameter declines its offer (RFC 7692 section 7.1); a value that is not of
// the grammar (RFC 6455 section 9.1) declines all that it holds. Thread: any.
[[nodiscard]] std::optional<DeflateTerms> choose_deflate(std::string_view offers);

// The Sec-WebSocket-Extensions value that accepts it.
[[nodiscard]] std::string deflate_answer(const DeflateTerms& terms);

}  // namespace ringcast::wire
