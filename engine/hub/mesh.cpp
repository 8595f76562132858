#include "hub/mesh.hpp"

#include <utility>

namespace ringcast {

Mesh::Mesh(ShardIndex self, std::vector<ShardSender> others, std::optional<SourceSender> source,
           std::uint32_t local_max, std::uint32_t ports)
    : self_(self),
      shards_(static_cast<std::uint32_t>(others.size()) - ports),
      others_(std::move(others)),
      touched_(others_.size(), false),
      source_(std::move(source)),
      local_max_(local_max) {
  ensure(self.value < shards_, "Mesh: a shard outside of its own mesh");
}

std::uint64_t Mesh::room_at(ShardIndex shard) const {
  if (shard != self_) return others_[shard.value].credits();
  const std::size_t waiting = local_.size() - in_hand_;
  return waiting >= local_max_ ? 0 : local_max_ - waiting;
}

void Mesh::send_to(ShardIndex shard, ShardMail&& mail) {
  others_[shard.value].send_reserved(std::move(mail));
  touched_[shard.value] = true;
  any_touched_ = true;
}

bool Mesh::try_send_source(SourceMail&& mail) {
  if (!source_ || !source_->try_send(std::move(mail))) return false;
  source_touched_ = true;
  return true;
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
