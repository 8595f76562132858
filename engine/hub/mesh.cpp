#include "hub/mesh.hpp"

#include <utility>

namespace ringcast {

Mesh::Mesh(ShardIndex self, std::vector<ShardSender> others, std::optional<SourceSender> source,
           std::uint32_t local_max)
    : self_(self),
      others_(std::move(others)),
      touched_(others_.size(), false),
      source_(std::move(source)),
      local_max_(local_max) {
  ensure(self.value < others_.size(), "Mesh: a shard outside of its own mesh");
}

std::uint64_t Mesh::room_at(ShardIndex shard) const {
  if (shard == self_) return local_.size() >= local_max_ ? 0 : local_max_ - local_.size();
  return others_[shard.value].credits();
}

bool Mesh::try_send(ShardIndex shard, ShardMail&& mail) {
  if (room_at(shard) == 0) return false;
  answer(shard, std::move(mail));
  return true;
}

void Mesh::answer(ShardIndex shard, ShardMail&& mail) {
  if (shard == self_) {
    local_.push_back(std::move(mail));
    return;
  }
  others_[shard.value].send_reserved(std::move(mail));
  touched_[shard.value] = true;
  any_touched_ = true;
}

bool Mesh::try_send_source(SourceMail&& mail) {
  if (!source_ || !source_->try_send(std::move(mail))) return false;
  source_touched_ = true;
  return true;
}

std::optional<ShardMail> Mesh::take_local() {
  if (local_.empty()) return std::nullopt;
  ShardMail mail = std::move(local_.front());
  local_.pop_front();
  return mail;
}

void Mesh::wake_touched() {
  if (std::exchange(source_touched_, false)) source_->wake();
  if (!std::exchange(any_touched_, false)) return;
  for (std::size_t i = 0; i < touched_.size(); ++i) {
    if (!touched_[i]) continue;
    touched_[i] = false;
    others_[i].wake();
  }
}

}  // namespace ringcast
