// The incremental UTF-8 check agrees with the one over the whole text, however the text is cut.
#include "wire/utf8.hpp"

#include "base/ensure.hpp"
#include "message/names.hpp"
#include "pieces.hpp"

namespace {

using namespace ringcast;

bool is_valid(const std::vector<std::string_view>& pieces) {
  wire::Utf8Validator validator;
  for (const std::string_view piece : pieces)
    if (!validator.feed(piece)) return false;
  return validator.at_boundary();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = text_of(data, size);
  const bool expected = is_valid_utf8(text);
  ensure(is_valid({text}) == expected, "whole");
  ensure(is_valid(pieces_of(text)) == expected, "in pieces");
  return 0;
}
