#include "message/publish_batch.hpp"

#include <algorithm>

namespace ringcast {

PublishBatch::PublishBatch(std::size_t asks_max, std::size_t text_bytes_max)
    : asks_max_(std::min(asks_max, kAsksMax)),
      text_(std::make_unique_for_overwrite<char[]>(std::min(text_bytes_max, kTextBytesMax))),
      text_bytes_max_(std::min(text_bytes_max, kTextBytesMax)) {
  asks_.reserve(asks_max_);
}

bool PublishBatch::add(const BatchedPublish& ask) {
  if (asks_.size() == asks_max_ || ask.text_bytes() > text_bytes_max_ - text_bytes_) return false;
  char* to = text_.get() + text_bytes_;
  const auto own = [&to](std::string_view piece) {
    if (!piece.empty()) to = std::copy(piece.begin(), piece.end(), to);
    return static_cast<std::uint32_t>(piece.size());
  };
  // In braces they are evaluated in their order.
  asks_.push_back({own(ask.room), own(ask.type), own(ask.data), own(ask.key),
                   own(ask.idempotency_key), own(ask.exclude_user), ask.id, ask.time, ask.tag});
  text_bytes_ = static_cast<std::size_t>(to - text_.get());
  return true;
}

std::unique_ptr<PublishBatch> BatchSizes::next(std::size_t least) {
  return std::make_unique<PublishBatch>(asks_, std::max(text_bytes_, least));
}

void BatchSizes::ended(const PublishBatch& batch) {
  asks_ = 2 * batch.size();
  text_bytes_ = 2 * batch.text_bytes();
}

}  // namespace ringcast
