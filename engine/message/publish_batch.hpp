// Publishes that travel together.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "message/event.hpp"

namespace ringcast {

// One of them, with names that were checked and data that is validated JSON. Whoever holds the text
// says how long it lives; in a PublishBatch it lives as long as that.
struct BatchedPublish {
  std::string_view room;
  std::string_view type;
  std::string_view data;
  std::string_view key;
  std::string_view idempotency_key;
  std::string_view exclude_user;
  std::optional<Uuid> id;  // none: made with the event
  WallTime time{};
  std::uint64_t tag = 0;  // under which it is answered

  [[nodiscard]] std::size_t text_bytes() const {
    return room.size() + type.size() + data.size() + key.size() + idempotency_key.size() +
           exclude_user.size();
  }
};

// What a port publishes in rooms of one home shard, in its order. Events are made of it at home:
// the thread of an application neither allocates nor frees for each.
//
// Thread: of whoever holds it. Lives until home has handled it. Limit: the memory that it was made
// with, at most kAsksMax and kTextBytesMax; what has no place in it is not added, and the caller
// begins the next.
class PublishBatch final {
 public:
  static constexpr std::size_t kAsksMax = 256;
  static constexpr std::size_t kTextBytesMax = std::size_t{64} * 1024;

  PublishBatch(std::size_t asks_max, std::size_t text_bytes_max);

  // False: it has no place here, and nothing has changed.
  [[nodiscard]] bool add(const BatchedPublish& ask);
  [[nodiscard]] std::size_t size() const { return asks_.size(); }
  [[nodiscard]] std::size_t text_bytes() const { return text_bytes_; }

  // Hands over each, in the order in which they came.
  template <class Take>
  void for_each(Take take) const {
    const char* text = text_.get();
    const auto next = [&text](std::uint32_t size) {
      const std::string_view piece(text, size);
      text += size;
      return piece;
    };
    for (const Ask& ask : asks_) {
      BatchedPublish one;
      one.room = next(ask.room);
      one.type = next(ask.type);
      one.data = next(ask.data);
      one.key = next(ask.key);
      one.idempotency_key = next(ask.idempotency_key);
      one.exclude_user = next(ask.exclude_user);
      one.id = ask.id;
      one.time = ask.time;
      one.tag = ask.tag;
      take(one);
    }
  }

 private:
  // How many octets of text_ each piece has, in this order.
  struct Ask {
    std::uint32_t room, type, data, key, idempotency_key, exclude_user;
    std::optional<Uuid> id;
    WallTime time;
    std::uint64_t tag;
  };

  std::vector<Ask> asks_;
  std::size_t asks_max_;
  std::unique_ptr<char[]> text_;
  std::size_t text_bytes_ = 0;
  std::size_t text_bytes_max_;
};

// How much the next batch may hold: twice what the one before had, so that what comes one by one
// takes little memory and what comes in masses few batches. At least one publish of `least` octets.
//
// Thread: of its owner. Lives as long as the way to a shard. Limits are those of a batch.
class BatchSizes final {
 public:
  [[nodiscard]] std::unique_ptr<PublishBatch> next(std::size_t least);
  void ended(const PublishBatch& batch);

 private:
  std::size_t asks_ = 1;
  std::size_t text_bytes_ = 0;
};

}  // namespace ringcast
