// What this kernel's io_uring really does, tried out before anything depends on it.
#pragma once

#include "base/result.hpp"
#include "io/buffer_ring.hpp"
#include "io/uring_queue.hpp"
#include "io/uring_sender.hpp"

namespace ringcast::io {

struct UringAbilities {
  UringSender::Successes successes = UringSender::Successes::reported;
};

// Tries on socket pairs: a multishot receive into the buffer ring, which is required, and whether a
// short send leaves a completion with its count when successes are silent. Without that a short
// send would be taken for a whole one and the stream corrupted, so then every send reports.
//
// Thread: the ring's. The queue must be idle, the buffers attached; both are idle again after it.
Result<UringAbilities> probe_uring(UringQueue& queue, BufferRing& buffers);

}  // namespace ringcast::io
