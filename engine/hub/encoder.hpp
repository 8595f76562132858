// Frames as subscribers get them: what the hub knows of protocols.
#pragma once

#include <string>
#include <string_view>

#include "hub/session.hpp"
#include "message/batch.hpp"
#include "message/mail.hpp"
#include "metrics/shard_metrics.hpp"
#include "wire/deflate.hpp"

namespace ringcast {

// A message of the engine itself to all subscribers of a room.
struct Notice {
  std::string type;
  std::string json;          // the whole native message
  bool replaceable = false;  // it tells a state: worth nothing once a newer one waits
};

// Appends one frame to the batch, for one connection alone: it is not compressed.
void append_frame(Encoding encoding, const Notice& notice, Batch& batch);

// Makes the frames that connections share. An event's payload was validated on entry, so nothing is
// escaped or checked here but its names.
//
// Thread: shard. Lives inside its Audience. Holds the text of one event, and a compressor from the
// first frame on that is to be compressed.
class Encoder final {
 public:
  // Messages of `compress_bytes_min` are compressed for those who have negotiated it.
  Encoder(std::size_t compress_bytes_min, ShardMetrics& metrics)
      : metrics_(metrics), deflater_(compress_bytes_min) {}

  // Appends one frame to the batch.
  void append_frame(Encoding encoding, const Event& event, const Epoch& epoch, Batch& batch);
  void append_frame(Encoding encoding, const Notice& notice, Batch& batch);

 private:
  void append_deflated(std::string_view json, Batch& batch);

  ShardMetrics& metrics_;
  wire::Deflater deflater_;
  std::string json_;
};

[[nodiscard]] Notice notice_of(const EpochMail& mail);
[[nodiscard]] Notice notice_of(const GapMail& mail);
[[nodiscard]] Notice notice_of(const PresenceUpdateMail& mail);

}  // namespace ringcast
