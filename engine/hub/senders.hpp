// One thread's ways out: a Sender to each shard, to each port behind them, and to the source.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "base/ids.hpp"
#include "message/mail.hpp"
#include "queue/mailbox.hpp"

namespace ringcast {

using ShardSender = Mailbox<ShardMail>::Sender;
using SourceSender = Mailbox<SourceMail>::Sender;

// Remembers whom it has sent something to, so that each is woken once a bulk.
//
// Thread: its owner's. Lives inside a Mesh or a Port. Bounded by the places of the mailboxes, which
// are asked for with room_at(); answers need none, because each was reserved with its question.
class Senders final {
 public:
  Senders() = default;
  Senders(std::vector<ShardSender> to, std::optional<SourceSender> source)
      : to_(std::move(to)), touched_(to_.size(), false), source_(std::move(source)) {}

  [[nodiscard]] std::uint32_t size() const { return static_cast<std::uint32_t>(to_.size()); }
  [[nodiscard]] std::uint64_t room_at(ShardIndex to) const { return to_[to.value].credits(); }
  void send(ShardIndex to, ShardMail&& mail) {
    to_[to.value].send_reserved(std::move(mail));
    touched_[to.value] = any_touched_ = true;
  }

  [[nodiscard]] bool has_source() const { return source_.has_value(); }
  [[nodiscard]] std::uint64_t room_at_source() const { return source_ ? source_->credits() : 0; }
  [[nodiscard]] bool try_send_source(SourceMail&& mail) {
    if (!source_ || !source_->try_send(std::move(mail))) return false;
    source_touched_ = true;
    return true;
  }

  void wake_touched() {
    if (std::exchange(source_touched_, false)) source_->wake();
    if (!std::exchange(any_touched_, false)) return;
    for (std::size_t i = 0; i < touched_.size(); ++i) {
      if (!touched_[i]) continue;
      touched_[i] = false;
      to_[i].wake();
    }
  }

 private:
  std::vector<ShardSender> to_;
  std::vector<bool> touched_;
  bool any_touched_ = false;
  std::optional<SourceSender> source_;
  bool source_touched_ = false;
};

}  // namespace ringcast
