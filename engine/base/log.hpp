// The log: one line an event, human or JSON, never a secret, never a flood.
#pragma once

#include <fmt/format.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace ringcast::log {

enum class Level { debug, info, warning, error };
enum class Format { automatic, human, json };  // automatic: human on a terminal, else json

// Thread: start-up. Lines go to standard error; standard output belongs to the "listening on" line.
void configure(Level level, Format format);

[[nodiscard]] bool enabled(Level level);

// Thread: any. Control characters in the text are escaped, so that nobody forges a line.
void write(Level level, std::string_view text);

// While it lives, lines go to its function instead of standard error; of several, to that of the
// newest.
//
// Thread: any; lives from before the first thread that writes until behind the last. The function
// is called by whichever thread writes, never by two at a time, and must neither wait nor write a
// line.
class Redirect final {
 public:
  explicit Redirect(std::function<void(Level, std::string_view)> function);
  ~Redirect();
  Redirect(const Redirect&) = delete;
  Redirect& operator=(const Redirect&) = delete;

 private:
  class Sink;
  std::shared_ptr<Sink> sink_;
};

// True at most `per_second_max` times a second for each place that owns a Limiter, and then once
// with the number of lines it held back: floods of bad input must not become floods of log.
//
// Thread: the thread that owns the place; not shared.
class Limiter {
 public:
  explicit Limiter(int per_second_max = 1) : per_second_max_(per_second_max) {}
  [[nodiscard]] bool allow();
  [[nodiscard]] std::uint64_t take_suppressed();

 private:
  int per_second_max_;
  int in_this_second_ = 0;
  std::int64_t second_ = -1;
  std::uint64_t suppressed_ = 0;
};

template <class... Args>
void debug(fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::debug)) write(Level::debug, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void info(fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::info)) write(Level::info, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void warning(fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::warning))
    write(Level::warning, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void error(fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::error)) write(Level::error, fmt::format(format, std::forward<Args>(args)...));
}

// A warning through a limiter: the line also says how many like it were held back before.
template <class... Args>
void warning(Limiter& limiter, fmt::format_string<Args...> format, Args&&... args) {
  if (!enabled(Level::warning) || !limiter.allow()) return;
  std::string text = fmt::format(format, std::forward<Args>(args)...);
  if (const auto held = limiter.take_suppressed(); held != 0)
    text += fmt::format(" (and {} like it, not shown)", held);
  write(Level::warning, text);
}

}  // namespace ringcast::log
