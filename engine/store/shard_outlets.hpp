// The source's side of the mailboxes to the shards.
#pragma once

#include <deque>
#include <vector>

#include "base/ids.hpp"
#include "message/mail.hpp"
#include "queue/mailbox.hpp"

namespace ringcast {

// One Sender a shard, and before each a line of what waits for credits: order holds per shard, and
// a shard that takes nothing does not keep the others from theirs.
//
// Thread: outbox. Lives inside its Source. Bounded by its user, who queues no further window before
// flush() has emptied the lines.
class ShardOutlets final {
 public:
  // To each shard and, behind them, to each of `ports`, which gets answers alone.
  ShardOutlets(std::vector<Mailbox<ShardMail>::Sender> senders, std::uint32_t ports);

  [[nodiscard]] std::uint32_t shards() const { return shards_; }

  // Sends it if nothing waits before it and credits allow; flush() wakes the shard.
  void queue(ShardIndex to, ShardMail mail);
  template <class Mail>
  void queue_for_all(const Mail& mail) {
    for (std::uint32_t shard = 0; shard < shards(); ++shard) queue(ShardIndex{shard}, mail);
  }

  // An answer: its place was reserved with the question, so it waits for nobody.
  void answer(ShardIndex to, ShardMail mail);

  [[nodiscard]] bool has_room(ShardIndex to) const {
    return lines_[to.value].sender.credits() != 0;
  }

  // Sends what waits, as the credits allow, and wakes each shard that got something, once. Returns
  // the number sent.
  std::size_t flush();
  [[nodiscard]] bool waiting() const;
  [[nodiscard]] bool all_taken() const;  // everything queued has been handled by its shard

 private:
  struct Line {
    Mailbox<ShardMail>::Sender sender;
    std::deque<ShardMail> waiting;
    bool unwoken = false;  // got something since its last wake
  };
  std::uint32_t shards_;
  std::vector<Line> lines_;
};

}  // namespace ringcast
