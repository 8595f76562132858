#include "hub/mesh.hpp"

#include <utility>

namespace ringcast {

Mesh::Mesh(ShardIndex self, std::vector<ShardSender> others, std::optional<SourceSender> source,
           std::uint32_t local_max, std::uint32_t ports)
    : self_(self),
      shards_(static_cast<std::uint32_t>(others.size()) - ports),
      others_(std::move(others), std::move(source)),
      asked_(others_.size(), false),
      local_max_(local_max) {
  ensure(self.value < shards_, "Mesh: a shard outside of its own mesh");
}

std::uint64_t Mesh::room_at(ShardIndex shard) const {
  if (shard != self_) return others_.room_at(shard);
  const std::size_t waiting = local_.size() - in_hand_;
  return waiting >= local_max_ ? 0 : local_max_ - waiting;
}

void Mesh::ask_for_places(ShardIndex port) {
  ensure(is_port(port), "a shard is looked at, not asked");
  if (asked_[port.value]) return;
  asked_[port.value] = true;
  answer(port, PlacesMail{self_, port});
}

}  // namespace ringcast
