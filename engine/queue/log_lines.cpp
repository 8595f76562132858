#include "queue/log_lines.hpp"

#include <fmt/format.h>

namespace ringcast {

LogLines::LogLines(std::uint32_t lines_max)
    : lines_max_(lines_max),
      sender_(mailbox_.open(lines_max)),
      redirect_([this](auto... line) { write(line...); }) {
  wakeup_.park();
}

void LogLines::write(log::Level level, std::string_view text) {
  if (!sender_.try_send({level, std::string(text)})) lost_.fetch_add(1, std::memory_order_relaxed);
  sender_.wake();
}

std::vector<LogLine> LogLines::take(std::size_t max) {
  std::vector<LogLine> lines;
  const auto keep = [&](LogLine&& line) {
    lines.push_back(std::move(line));
    return true;
  };
  wakeup_.drain();
  if (receiver_.drain(max, keep) >= max) return lines;
  // The last look comes after the flag, see Wakeup.
  wakeup_.park();
  std::ignore = receiver_.drain(max, keep);
  const std::uint64_t lost = lost_.load(std::memory_order_relaxed);
  if (lost != told_)
    lines.push_back({log::Level::warning,
                     fmt::format("{} lines of the log were lost: {} (log.lines_max) waited already",
                                 lost - std::exchange(told_, lost), lines_max_)});
  return lines;
}

}  // namespace ringcast
