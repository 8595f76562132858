// One shard's Senders: to every shard, itself among them, to every port and to the source.
#pragma once

#include <boost/container/deque.hpp>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "hub/senders.hpp"
#include "message/mail.hpp"

namespace ringcast {

// Where a shard's mail leaves. Mail to the shard itself waits in a queue of its own under the same
// limit, so that nothing is ever handled inside the call that caused it.
//
// Thread: shard. Made by wiring, lives inside its Hub. A place is asked for with has_room() before
// anything happens; answers need none, because each was reserved with its question.
class Mesh final {
 public:
  // `others` has one Sender for each shard, that of `self` is empty, and behind them one for each
  // of `ports`.
  Mesh(ShardIndex self, std::vector<ShardSender> others, std::optional<SourceSender> source,
       std::uint32_t local_max, std::uint32_t ports = 0);

  [[nodiscard]] ShardIndex self() const { return self_; }
  [[nodiscard]] std::uint32_t shards() const { return shards_; }
  [[nodiscard]] std::uint32_t addresses() const { return others_.size(); }
  [[nodiscard]] bool is_port(ShardIndex to) const { return to.value >= shards_; }
  [[nodiscard]] bool has_source() const { return others_.has_source(); }

  [[nodiscard]] std::uint64_t room_at(ShardIndex shard) const;
  template <class Mail>
  [[nodiscard]] bool try_send(ShardIndex shard, Mail&& mail) {
    if (room_at(shard) == 0) return false;
    answer(shard, std::forward<Mail>(mail));
    return true;
  }
  template <class Mail>
  void answer(ShardIndex shard, Mail&& mail) {
    if (shard == self_)
      local_.emplace_back(std::forward<Mail>(mail));
    else
      others_.send(shard, ShardMail(std::forward<Mail>(mail)));
  }
  // Of a port without a place: it lets this shard know when it has taken what waits for it now. An
  // application may stand still for as long as it likes, and nobody is to look meanwhile.
  void ask_for_places(ShardIndex port);
  void told_of_places(ShardIndex port) { asked_[port.value] = false; }
  [[nodiscard]] bool try_send_source(SourceMail&& mail) {
    return others_.try_send_source(std::move(mail));
  }

  // Hands over the next mail to this shard itself, where it lies; false: there is none. What
  // `handle` sends waits behind it.
  template <class Handle>
  bool handle_next_local(Handle&& handle) {
    if (local_.empty()) return false;
    in_hand_ = 1;
    handle(std::move(local_.front()));
    local_.pop_front();
    in_hand_ = 0;
    return true;
  }
  [[nodiscard]] bool has_local() const { return !local_.empty(); }

  // Once a bulk: wakes those that something was sent to since the last call.
  void wake_touched() { others_.wake_touched(); }

 private:
  // Blocks of many: with std::deque each mail would be an allocation. References to what is queued
  // hold while more is added.
  using LocalQueue = boost::container::deque<
      ShardMail, void, boost::container::deque_options<boost::container::block_size<64>>::type>;

  ShardIndex self_;
  std::uint32_t shards_;
  Senders others_;
  std::vector<bool> asked_;  // ports that have not told yet: one question to each at a time
  LocalQueue local_;
  std::size_t in_hand_ = 0;  // the first of local_ is being handled: it takes no place any more
  std::uint32_t local_max_;
};

}  // namespace ringcast
