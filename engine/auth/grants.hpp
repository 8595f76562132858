// What a connection may do, by room pattern (docs/native-protocol.md, Tokens).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace ringcast {

enum class Verb : std::uint8_t { subscribe, publish, presence };
inline constexpr std::size_t kVerbs = 3;

[[nodiscard]] constexpr std::string_view verb_name(Verb verb) {
  switch (verb) {
    case Verb::subscribe:
      return "subscribe";
    case Verb::publish:
      return "publish";
    case Verb::presence:
      return "presence";
  }
  return "";
}

// A room, `prefix:*` (every room that goes on behind the colon, not `prefix` itself), or `*`.
// `*` anywhere else is refused: `tenant:4*` would let tenant 4 into the rooms of tenant 42.
// The error names `field`.
Result<void> check_pattern(std::string_view pattern, std::string_view field);

// A pattern that stands for more than the one room of its name.
[[nodiscard]] constexpr bool is_pattern(std::string_view pattern) {
  return pattern == "*" || pattern.ends_with(":*");
}

// Does a legal pattern include the room?
[[nodiscard]] bool pattern_includes(std::string_view pattern, std::string_view room);

// Lists of patterns, one a verb. Nothing is granted that was not added: no verb implies another.
//
// Thread: any once filled. Lives with an identity. Holds at most kGrantsMax patterns of at most
// kRoomBytesMax octets; add() is an error beyond that, and then nothing has changed.
class Grants final {
 public:
  static constexpr std::size_t kGrantsMax = 256;

  Result<void> add(Verb verb, std::string_view pattern);

  [[nodiscard]] bool allows(Verb verb, std::string_view room) const;
  [[nodiscard]] bool allows_subscribe(std::string_view room) const {
    return allows(Verb::subscribe, room);
  }
  [[nodiscard]] bool allows_publish(std::string_view room) const {
    return allows(Verb::publish, room);
  }
  [[nodiscard]] bool allows_presence(std::string_view room) const {
    return allows(Verb::presence, room);
  }

  [[nodiscard]] const std::vector<std::string>& patterns(Verb verb) const;
  [[nodiscard]] std::size_t size() const;

  // `ringcastd dev`: everything everywhere.
  [[nodiscard]] static Grants all();
  // `auth.allow_anonymous`: a connection without a token may subscribe anywhere and do no more.
  [[nodiscard]] static Grants anonymous();

 private:
  std::array<std::vector<std::string>, kVerbs> patterns_;
};

}  // namespace ringcast
