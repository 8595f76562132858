// The frames of one room in one tick, encoded once and shared by every subscriber.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/ensure.hpp"
#include "message/event.hpp"

namespace ringcast {

// How an event looks on the wire. One frame is made per encoding in use, never per connection.
enum class Encoding : std::uint8_t { native, native_deflate, sse };
inline constexpr std::size_t kEncodings = 3;

// What may happen to the frames of a batch while they wait behind a blocked socket. Only batches of
// rooms whose slow_policy drops something have them.
struct FrameLabels {
  enum class Kind : std::uint8_t {
    event,   // may be dropped; what is missing is announced
    state,   // worth nothing once a newer one of its room waits
    notice,  // always goes out
  };
  struct Frame {
    Kind kind = Kind::event;
    Offset offset = 0;
    std::string key;  // empty: replaced by no other
  };
  std::string room;
  Encoding encoding = Encoding::native;
  bool conflate = false;      // slow_policy `latest`
  std::vector<Frame> frames;  // one for each frame of the batch
};

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
  // The frame that this octet belongs to.
  [[nodiscard]] std::uint32_t frame_at(std::uint32_t octet) const {
    return static_cast<std::uint32_t>(std::upper_bound(ends_.begin(), ends_.end(), octet) -
                                      ends_.begin());
  }

  void label(FrameLabels&& labels) {
    ensure(labels.frames.size() == ends_.size(), "Batch::label: one for each frame");
    labels_ = std::make_unique<const FrameLabels>(std::move(labels));
  }
  // Null: nothing of it may be dropped.
  [[nodiscard]] const FrameLabels* labels() const { return labels_.get(); }

 private:
  std::string bytes_;
  std::vector<std::uint32_t> ends_;
  std::unique_ptr<const FrameLabels> labels_;
};

}  // namespace ringcast
