#include "store/shard_outlets.hpp"

#include <algorithm>
#include <utility>

#include "base/ensure.hpp"

namespace ringcast {

ShardOutlets::ShardOutlets(std::vector<Mailbox<ShardMail>::Sender> senders, std::uint32_t ports)
    : shards_(static_cast<std::uint32_t>(senders.size()) - ports) {
  ensure(senders.size() > ports, "a source without shards");
  lines_.reserve(senders.size());
  for (auto& sender : senders) lines_.push_back({std::move(sender), {}, false});
}

void ShardOutlets::queue(ShardIndex to, ShardMail mail) {
  ensure(to.value < shards_, "mail to a shard that does not exist");
  Line& line = lines_[to.value];
  if (line.waiting.empty() && line.sender.try_send(std::move(mail)))
    line.unwoken = true;
  else
    line.waiting.push_back(std::move(mail));
}

void ShardOutlets::answer(ShardIndex to, ShardMail mail) {
  ensure(to.value < lines_.size(), "an answer to a shard that does not exist");
  Line& line = lines_[to.value];
  line.sender.send_reserved(std::move(mail));
  line.unwoken = true;
}

std::size_t ShardOutlets::flush() {
  std::size_t sent = 0;
  for (Line& line : lines_) {
    while (!line.waiting.empty() && line.sender.try_send(std::move(line.waiting.front()))) {
      line.waiting.pop_front();
      line.unwoken = true;
      ++sent;
    }
    if (std::exchange(line.unwoken, false)) line.sender.wake();
  }
  return sent;
}

bool ShardOutlets::all_taken() const {
  return std::all_of(lines_.begin(), lines_.begin() + shards_, [](const Line& line) {
    return line.waiting.empty() && line.sender.all_taken();
  });
}

bool ShardOutlets::waiting() const {
  return std::any_of(lines_.begin(), lines_.end(),
                     [](const Line& line) { return !line.waiting.empty(); });
}

}  // namespace ringcast
