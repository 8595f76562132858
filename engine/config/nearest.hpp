// "Did you mean ...?"
#pragma once

#include <optional>
#include <span>
#include <string_view>

namespace ringcast {

// The candidate that differs from `word` by the fewest inserted, removed or changed characters, if
// they are few for a word of that length. Thread: any.
[[nodiscard]] std::optional<std::string_view> nearest(std::string_view word,
                                                      std::span<const std::string_view> candidates);

}  // namespace ringcast
