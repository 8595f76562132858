#include "base/failpoint.hpp"

#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/ensure.hpp"

namespace ringcast {

namespace {

constexpr const char* kVariable = "RINGCAST_FAILPOINT";

struct Wish {
  std::string name;
  std::uint64_t hit = 0;  // 0: where the data holds `text`
  std::string text;
};

Wish read_wish() {
  const char* const value = std::getenv(kVariable);
  if (value == nullptr) return {};
  constexpr std::string_view kAction = ":abort";
  const std::string_view given(value);
  const std::size_t at = given.find(kAction);
  ensure(at != std::string_view::npos && at + kAction.size() + 1 < given.size(),
         "RINGCAST_FAILPOINT is name:abort@N or name:abort~TEXT");
  Wish wish{std::string(given.substr(0, at)), 0, ""};
  const char how = given[at + kAction.size()];
  const std::string_view operand = given.substr(at + kAction.size() + 1);
  if (how == '~') {
    wish.text = operand;
    return wish;
  }
  std::from_chars(operand.data(), operand.data() + operand.size(), wish.hit);
  ensure(how == '@' && wish.hit > 0, "RINGCAST_FAILPOINT is name:abort@N with N from 1");
  return wish;
}

}  // namespace

void hit_failpoint(std::string_view name, std::string_view data) {
  static const Wish wish = read_wish();
  if (name != wish.name || name.empty()) return;
  thread_local std::uint64_t hits = 0;
  if (wish.hit != 0 ? ++hits == wish.hit : data.find(wish.text) != std::string_view::npos)
    std::abort();
}

}  // namespace ringcast
