// The engine's log for a thread that has a log of its own.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.hpp"
#include "queue/mailbox.hpp"
#include "queue/wakeup.hpp"

namespace ringcast {

struct LogLine {
  log::Level level = log::Level::info;
  std::string text;
};
template <>
inline constexpr bool crosses_threads<LogLine> = true;

// Takes the lines of all threads while it lives, instead of standard error.
//
// Thread: its owner's; whoever writes a line neither waits for the owner nor takes a lock of it.
// lines_max lines wait (log.lines_max): those beyond are lost, and the owner gets a line that
// counts them.
class LogLines final {
 public:
  explicit LogLines(std::uint32_t lines_max);

  // Readable once a line waits and all were taken before.
  [[nodiscard]] int fd() const { return wakeup_.fd(); }
  // At most about `max`, oldest first. As many: call it again, fd() tells nothing.
  [[nodiscard]] std::vector<LogLine> take(std::size_t max);

 private:
  void write(log::Level level, std::string_view text);

  std::uint32_t lines_max_;
  Wakeup wakeup_;
  Mailbox<LogLine> mailbox_{wakeup_};
  Mailbox<LogLine>::Receiver receiver_{mailbox_};
  Mailbox<LogLine>::Sender sender_;  // of whoever writes: they come one at a time
  std::atomic<std::uint64_t> lost_{0};
  std::uint64_t told_ = 0;
  log::Redirect redirect_;  // the last: no line comes before the others are there
};

}  // namespace ringcast
