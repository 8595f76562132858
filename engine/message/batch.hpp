// The frames of one room in one tick, encoded once and shared by every subscriber.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/ensure.hpp"

namespace ringcast {

// Contiguous encoded frames that know where each of them ends.
//
// Thread: the shard that made it. Lives for its tick; longer only while the SendQueue of a blocked
// socket holds a reference. Frames are only ever added, so an offset into it stays good.
class Batch final : public std::enable_shared_from_this<Batch> {
 public:
  // Where encoders append; end_frame() marks what was appended as one frame.
  [[nodiscard]] std::string& bytes() { return bytes_; }
  void end_frame() { ends_.push_back(static_cast<std::uint32_t>(bytes_.size())); }

  [[nodiscard]] std::string_view view(std::uint32_t begin, std::uint32_t end) const {
    ensure(begin <= end && end <= bytes_.size(), "Batch::view outside of the batch");
    return std::string_view(bytes_).substr(begin, end - begin);
  }
  [[nodiscard]] std::size_t size() const { return bytes_.size(); }
  [[nodiscard]] std::uint32_t frames() const { return static_cast<std::uint32_t>(ends_.size()); }

  // Octet at which frame i begins; i == frames() gives the end of all.
  [[nodiscard]] std::uint32_t begin_of(std::uint32_t frame) const {
    return frame == 0 ? 0 : ends_[frame - 1];
  }

 private:
  std::string bytes_;
  std::vector<std::uint32_t> ends_;
};

}  // namespace ringcast
