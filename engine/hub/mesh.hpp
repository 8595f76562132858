// One shard's Senders: to every shard, itself among them, and to the source.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "message/mail.hpp"
#include "queue/mailbox.hpp"

namespace ringcast {

using ShardSender = Mailbox<ShardMail>::Sender;
using SourceSender = Mailbox<SourceMail>::Sender;

// Where a shard's mail leaves. Mail to the shard itself waits in a queue of its own under the same
// limit, so that nothing is ever handled inside the call that caused it.
//
// Thread: shard. Made by wiring, lives inside its Hub. A place is asked for with has_room() before
// anything happens; answers need none, because each was reserved with its question.
class Mesh final {
 public:
  // `others` has one Sender for each shard; that of `self` is empty.
  Mesh(ShardIndex self, std::vector<ShardSender> others, std::optional<SourceSender> source,
       std::uint32_t local_max);

  [[nodiscard]] ShardIndex self() const { return self_; }
  [[nodiscard]] std::uint32_t shards() const { return static_cast<std::uint32_t>(others_.size()); }
  [[nodiscard]] bool has_source() const { return source_.has_value(); }

  [[nodiscard]] std::uint64_t room_at(ShardIndex shard) const;
  [[nodiscard]] bool try_send(ShardIndex shard, ShardMail&& mail);
  void answer(ShardIndex shard, ShardMail&& mail);
  [[nodiscard]] bool try_send_source(SourceMail&& mail);

  // The next mail to this shard itself, if any.
  [[nodiscard]] std::optional<ShardMail> take_local();
  [[nodiscard]] bool has_local() const { return !local_.empty(); }

  // Once a bulk: wakes those that something was sent to since the last call.
  void wake_touched();

 private:
  ShardIndex self_;
  std::vector<ShardSender> others_;
  std::vector<bool> touched_;
  bool any_touched_ = false;
  std::optional<SourceSender> source_;
  bool source_touched_ = false;
  std::deque<ShardMail> local_;
  std::uint32_t local_max_;
};

}  // namespace ringcast
