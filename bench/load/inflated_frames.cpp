#include "inflated_frames.hpp"

#include "wire/deflate.hpp"

namespace ringcast::bench {

namespace {

constexpr std::size_t kTextBytesMax = 1 << 20;

}  // namespace

Result<std::string_view> InflatedFrames::text_of(std::string_view compressed) {
  if (const auto known = texts_.find(compressed); known != texts_.end())
    return std::string_view(known->second);
  using Verdict = wire::Inflater::Verdict;
  wire::Inflater inflater;
  std::string text;
  if (inflater.feed(compressed, text, kTextBytesMax) != Verdict::ok ||
      inflater.finish(text, kTextBytesMax) != Verdict::ok)
    return {Errc::internal, "a compressed message can not be read"};
  if (texts_.size() == kKeptMax) texts_.clear();
  return std::string_view(texts_.emplace(compressed, std::move(text)).first->second);
}

}  // namespace ringcast::bench
