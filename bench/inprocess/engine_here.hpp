// The engine in this process, as a C++ program has it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>

#include "engine.hpp"

namespace ringcast::bench {

// An Engine with one shard and no store, on a free port, where everybody may do everything.
// Thread: its owner's; the shard's is started and joined.
class EngineHere {
 public:
  static Result<EngineHere> start(BackendWish backend, std::size_t connections_max);

  [[nodiscard]] std::uint16_t port() const;
  // The one shard's thread, as the kernel names it.
  [[nodiscard]] pid_t shard_thread() const { return shard_thread_; }

 private:
  EngineHere(std::unique_ptr<Engine> engine, pid_t shard_thread)
      : engine_(std::move(engine)), shard_thread_(shard_thread) {}
  std::unique_ptr<Engine> engine_;
  pid_t shard_thread_;
};

}  // namespace ringcast::bench
